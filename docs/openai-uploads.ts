/**
 * A `fetch` for OpenAI's official client that sends large audio and images around the request limit of AWS Lambda: the
 * files go straight to the bucket behind the gateway's `POST /v1/uploads`, the request then names them. Call sites stay
 * as they are:
 *
 *     const client = new OpenAI({ baseURL, apiKey, fetch: withUploads() });
 *     await client.audio.transcriptions.create({ model, file: createReadStream('meeting.wav') });
 *
 * Copy this file; it needs nothing but a runtime with `fetch`.
 */

/** A Lambda request takes 6 MB with base64's third on top; this leaves room for the form's other fields. */
const REQUEST_BYTES = 4_000_000;

interface Upload {
  readonly id: string;
  readonly upload: { readonly url: string; readonly fields: Readonly<Record<string, string>> };
}

/** The form of a multipart request; the client hands streams over as bytes already encoded. */
const formOf = async (body: RequestInit['body'], contentType: string): Promise<FormData | undefined> => {
  if (body instanceof FormData) return body;
  if (!body || !contentType.startsWith('multipart/form-data')) return undefined;
  return new Response(body, { headers: { 'content-type': contentType } }).formData();
};

/**
 * @param send the `fetch` underneath.
 * @param limit bytes of files from which on they are uploaded.
 */
export const withUploads =
  (send: typeof fetch = fetch, limit = REQUEST_BYTES): typeof fetch =>
  async (input, init = {}) => {
    const headers = new Headers(init.headers);
    const form = await formOf(init.body, headers.get('content-type') ?? '');
    if (!form) return send(input, init);
    // The form gets a boundary of its own when it is sent.
    headers.delete('content-type');
    const files = [...form].filter((entry): entry is [string, File] => typeof entry[1] !== 'string');
    const { signal } = init;
    if (files.reduce((size, [, file]) => size + file.size, 0) > limit) {
      for (const name of new Set(files.map(([field]) => field))) form.delete(name);
      const uploads = String(input instanceof Request ? input.url : input).replace(
        /\/(?:audio|images)\/.*$/,
        '/uploads',
      );
      for (const [name, file] of files) {
        const wanted = {
          filename: file.name,
          content_type: file.type || 'application/octet-stream',
          bytes: file.size,
        };
        const asked = new Headers(headers);
        asked.set('content-type', 'application/json');
        const answer = await send(uploads, { method: 'POST', headers: asked, body: JSON.stringify(wanted), signal });
        if (!answer.ok) return answer;
        const { id, upload } = (await answer.json()) as Upload;
        const direct = new FormData();
        for (const [field, value] of Object.entries(upload.fields)) direct.append(field, value);
        direct.append('file', file);
        const stored = await send(upload.url, { method: 'POST', body: direct, signal });
        if (!stored.ok) throw new Error(`The storage refused the upload: ${stored.status} ${await stored.text()}`);
        // `file` becomes `file_id`, `image[]` becomes `image_id[]`.
        form.append(name.replace(/(\[\])?$/, '_id$1'), id);
      }
    }
    return send(input, { ...init, headers, body: form });
  };
