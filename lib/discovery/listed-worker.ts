import * as v from 'valibot';
import { engineNames } from '../engines/index.ts';

const httpUrl = v.pipe(
  v.string(),
  v.trim(),
  v.check((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http or https URL'),
  v.transform((text) => text.replace(/\/+$/, '')),
);

/** A worker as an operator lists it, in `LOCALAI_WORKERS`: its own fields, and no others. */
export const listedWorker = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,128}$/, 'must be 1-128 printable ASCII characters without spaces')),
  url: httpUrl,
  models: v.optional(v.array(v.string())),
  engine: v.optional(v.picklist(engineNames, `must be one of ${engineNames.join(', ')}`)),
  load: v.optional(v.picklist(['haproxy'], 'must be haproxy')),
  apiKey: v.optional(v.string()),
  labels: v.optional(v.record(v.string(), v.string())),
});
