import { asBuffer } from '../dialects/whole-parts.ts';
import type { Answered, PrimedBody } from './answer.ts';
import { type CollectOptions, readShort } from './collect.ts';
import { scrubBody } from './loading-node.ts';

/** No word of a model that loads is longer; bytes. */
const LONGEST = 64 * 1024;

/** An answer that is no success may be one; one that is, only where it says so at once. */
const mayBeLoading = ({ status, body: { first } }: Answered): boolean => {
  const start = first[0] && asBuffer(first[0]);
  if (!start || !/^\s*[[{]/.test(start.toString('latin1', 0, 64))) return false;
  return status >= 300 || start.includes('loading"');
};

/**
 * Takes the node's name out of a JSON body that tells of a model that loads, whatever its status (docs/contract.md 3.5).
 * @returns the body to pass on; `undefined` where it may pass as it is.
 * @throws {UpstreamError} when it breaks off, {TimeoutError} when it stalls or the deadline comes.
 */
export const withoutNames = async (
  answered: Answered,
  limits: Omit<CollectOptions, 'maxBytes'>,
): Promise<PrimedBody | undefined> => {
  if (!mayBeLoading(answered)) return undefined;
  const { body, isWhole } = await readShort(answered.body, { ...limits, maxBytes: LONGEST });
  return isWhole ? { ...body, first: [scrubBody(Buffer.concat(body.first))] } : body;
};
