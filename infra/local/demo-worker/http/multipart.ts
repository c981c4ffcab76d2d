import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import { ApiError } from './api-error.ts';
import { readBody } from './body.ts';

/** The parts of a form: texts and files by name. Of several with one name the first counts; `image[]` is `image`. */
export interface Form {
  readonly fields: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, Buffer>>;
}

/** @throws {ApiError} 415 for another content type, 400 for a form that cannot be read, 413 for too large a body. */
export const readForm = async (request: IncomingMessage): Promise<Form> => {
  const contentType = request.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\b/i.test(contentType)) throw new ApiError(415, 'Send the form as multipart/form-data.');
  const body = await readBody(request);
  const fields: Record<string, string> = {};
  const files: Record<string, Buffer> = {};
  const plain = (name: string) => name.replace(/\[\]$/, '');
  try {
    const parser = new Busboy({ headers: { ...request.headers, 'content-type': contentType } });
    parser.on('field', (name, value) => {
      fields[plain(name)] ??= value;
    });
    parser.on('file', (name, stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        files[plain(name)] ??= Buffer.concat(chunks);
      });
    });
    await pipeline(Readable.from([body]), parser);
  } catch (error) {
    throw new ApiError(400, `The form cannot be read: ${(error as Error).message}`);
  }
  return { fields, files };
};
