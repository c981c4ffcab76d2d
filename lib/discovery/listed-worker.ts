import * as v from 'valibot';
import { operations } from '../engines/engine.ts';
import { engineNames } from '../engines/index.ts';

/** Messages say what is wanted and never what was found: a value may be a key. */
const text = v.string('must be a string');
const texts = v.array(text, 'must be a list of strings');

/** What can be asked for at a worker's origin goes behind it, so nothing may stand there; a key has its own field. */
const isBase = (url: string): boolean => {
  const { protocol, hostname, username, password } = URL.parse(url) ?? {};
  if (!hostname || !/^https?:$/.test(protocol ?? '') || /[\s\\?#]/.test(url)) return false;
  return username === '' && password === '';
};

/** A worker's base URL, without a trailing slash. */
const workerUrl = v.pipe(
  text,
  v.trim(),
  v.check(isBase, 'must be an http or https URL without credentials, query or fragment'),
  v.transform((url) => url.replace(/\/+$/, '')),
);

/** What can stand in an `Authorization` header (RFC 9110 5.5): anything else would fail with every single request. */
export const workerKey = v.pipe(
  text,
  v.regex(/^[\x21-\x7e]+$/, 'must be printable ASCII characters without blanks or line ends'),
);

/** What an operator may say of workers, wherever they come from. */
export const workerFields = {
  models: v.optional(texts),
  engine: v.optional(v.picklist(engineNames, `must be one of ${engineNames.join(', ')}`)),
  serves: v.optional(
    v.array(v.picklist(operations, `must be operations: ${operations.join(' ')}`), 'must be a list of operations'),
  ),
  load: v.optional(v.picklist(['haproxy'], 'must be haproxy')),
  labels: v.optional(v.record(text, text, 'must be an object of strings')),
};

/** A worker that an operator lists by itself. */
export const ownFields = {
  id: v.pipe(text, v.regex(/^[\x21-\x7e]{1,128}$/, 'must be 1-128 printable ASCII characters without spaces')),
  url: workerUrl,
};

/** A worker as an operator lists it, in `LOCALAI_WORKERS`: its own fields, and no others. */
export const listedWorker = v.strictObject(
  { ...ownFields, ...workerFields, apiKey: v.optional(workerKey) },
  'must be an object of the fields id, url, models, engine, serves, load, apiKey and labels',
);
