import { asBuffer } from '../dialects/whole-parts.ts';
import type { Answered, PrimedBody } from './answer.ts';
import { type CollectOptions, readShort } from './collect.ts';
import { scrubBody, scrubFor } from './loading-node.ts';

/** No word of a model that loads is longer; bytes. */
const LONGEST = 64 * 1024;

const FRAMED = ['text/event-stream', 'application/x-ndjson'] as const;

/** @returns what its own word says it is framed as: errors come as events, too. */
const framingOf = ({ headers }: Answered) => {
  const type = headers['content-type']?.trim().toLowerCase() ?? '';
  return FRAMED.find((one) => type.startsWith(one));
};

/** An answer that is no success may be one; one that is, only where it says so at once. */
const mayBeLoading = (answered: Answered): boolean => {
  const { status, body } = answered;
  const start = body.first[0] && asBuffer(body.first[0]);
  if (!start || !(framingOf(answered) || /^\s*[[{]/.test(start.toString('latin1', 0, 64)))) return false;
  return status >= 300 || start.includes('loading"');
};

/**
 * Takes the node's name out of a body, JSON or events or lines of it, that tells of a model that loads, whatever its status (docs/contract.md 3.5).
 * @returns the body to pass on; `undefined` where it may pass as it is.
 * @throws {UpstreamError} when it breaks off, {TimeoutError} when it stalls or the deadline comes.
 */
export const withoutNames = async (
  answered: Answered,
  limits: Omit<CollectOptions, 'maxBytes'>,
): Promise<PrimedBody | undefined> => {
  if (!mayBeLoading(answered)) return undefined;
  const { body, isWhole } = await readShort(answered.body, { ...limits, maxBytes: LONGEST });
  if (!isWhole) return body;
  const framing = framingOf(answered);
  // It may be JSON all the same.
  const clean = scrubBody(Buffer.concat(body.first));
  return { ...body, first: [framing ? scrubFor(framing)(clean) : clean] };
};
