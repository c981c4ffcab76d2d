import type { IncomingHttpHeaders } from 'node:http';

/** What a request body says: the properties of a JSON object, or the parts of a form. */
export interface Fields {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Sizes in bytes of a form's files. */
  readonly files: Readonly<Record<string, number>>;
}

const nothing: Fields = { fields: {}, files: {} };

const formFields = async (contentType: string, body: Buffer): Promise<Fields> => {
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
  const fields: Record<string, string> = {};
  const files: Record<string, number> = {};
  for (const [name, value] of form) {
    if (typeof value === 'string') fields[name] = value;
    else files[name] = value.size;
  }
  return { fields, files };
};

/** Reads a body as a worker would: a form by its content type, anything else as JSON. Unreadable means empty. */
export const fieldsOf = async (headers: IncomingHttpHeaders, body: Buffer): Promise<Fields> => {
  const contentType = headers['content-type'] ?? '';
  try {
    if (contentType.startsWith('multipart/form-data')) return await formFields(contentType, body);
    const parsed: unknown = JSON.parse(body.toString());
    return parsed && typeof parsed === 'object' ? { fields: parsed as Fields['fields'], files: {} } : nothing;
  } catch {
    return nothing;
  }
};
