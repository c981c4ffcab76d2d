import { expect } from '@jest/globals';
import type { Gateway } from '../gateway.ts';
import type { Received, SendOptions } from '../http.ts';

/** What `POST /v1/uploads` answers. */
export interface UploadAnswer {
  readonly id: string;
  readonly expires_at: number;
  readonly max_bytes: number;
  readonly upload: {
    readonly url: string;
    readonly fields: Readonly<Record<string, string>>;
    readonly expires_at: number;
  };
}

export const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

export const askUpload = async (gateway: Gateway, body: object, key = 'sk-one'): Promise<UploadAnswer> => {
  const received = await gateway.fetch('/v1/uploads', { headers: bearer(key), body });
  expect([received.status, received.text]).toEqual([200, expect.any(String)]);
  return received.json() as UploadAnswer;
};

/** Posts the form with a file as a browser does, perhaps with other fields than were signed. */
export const postFile = async (
  { upload }: UploadAnswer,
  content: Blob | string,
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<{ readonly status: number; readonly text: string }> => {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...upload.fields, ...changes })) {
    if (value !== undefined) form.append(name, value);
  }
  form.append('file', new Blob([content]));
  const response = await fetch(upload.url, { method: 'POST', body: form });
  return { status: response.status, text: await response.text() };
};

/** Both steps. @returns the id. */
export const uploaded = async (
  gateway: Gateway,
  content: Blob | string,
  body: object = {},
  key?: string,
): Promise<string> => {
  const answer = await askUpload(gateway, body, key);
  expect(await postFile(answer, content)).toEqual({ status: 204, text: '' });
  return answer.id;
};

/** A transcription of an upload, in JSON. */
export const transcribe = (
  gateway: Gateway,
  body: object,
  key = 'sk-one',
  options: SendOptions = {},
): Promise<Received> =>
  gateway.fetch('/v1/audio/transcriptions', {
    ...options,
    headers: bearer(key),
    body: { model: 'test-model', ...body },
  });
