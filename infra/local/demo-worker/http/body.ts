import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { ApiError } from './api-error.ts';

/** LocalAI's default upload limit, in bytes. */
const MAX_BODY_BYTES = 15 * 1024 * 1024;

/** @throws {ApiError} 413 over {@link MAX_BODY_BYTES}. */
export const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new ApiError(413, `The body is over the limit of ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/**
 * Reads a value by its schema.
 * @throws {ApiError} 400 that names the field at fault.
 */
export const parseFields = <const S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> => {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue);
  throw new ApiError(400, field ? `'${field}': ${issue.message}` : issue.message, field ? { param: field } : {});
};

/**
 * Reads a JSON object body by its schema; fields the schema does not know are ignored, as model servers do.
 * @throws {ApiError} 400 for malformed JSON or a field at fault, 413 for too large a body.
 */
export const readJson = async <const S extends v.GenericSchema>(
  request: IncomingMessage,
  schema: S,
): Promise<v.InferOutput<S>> => {
  const text = (await readBody(request)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(400, text === '' ? 'The body is empty; send a JSON object.' : 'The body is not valid JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError(400, 'The body must be a JSON object.');
  }
  return parseFields(schema, value);
};
