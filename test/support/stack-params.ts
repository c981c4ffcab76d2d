import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** `params` of `serverless.yml` as they are without a `--param`. */
export const readParams = (): Record<string, unknown> => {
  const file = new URL('../../serverless.yml', import.meta.url);
  return (parse(readFileSync(file, 'utf8')) as { params: { default: Record<string, unknown> } }).params.default;
};
