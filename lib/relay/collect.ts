import { GatewayError } from '../errors.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import { nothingMore } from '../upstream/chunk-reader.ts';
import type { PrimedBody } from './answer.ts';
import { cutError, idleError, reasonOf } from './relay.ts';

export interface CollectOptions {
  /** The invocation's. */
  readonly signal: AbortSignal;
  /** How long the worker may say nothing, in milliseconds. */
  readonly idleMs: number;
  readonly maxBytes: number;
}

/**
 * Reads a body to its end while it is short, so that it can be passed on later and its connection is free.
 * @returns the same body. `isWhole`: all of it is here; otherwise it is longer than `maxBytes`.
 * @throws {UpstreamError} when it breaks off, {TimeoutError} when it stalls or the deadline comes.
 */
export const readShort = async (
  { first, rest }: PrimedBody,
  { signal, idleMs, maxBytes }: CollectOptions,
): Promise<{ readonly body: PrimedBody; readonly isWhole: boolean }> => {
  const chunks = [...first];
  let length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  try {
    while (length <= maxBytes) {
      const chunk = await orSilent(rest.read(), idleMs);
      if (isSilent(chunk)) throw idleError();
      if (!chunk) return { body: { first: chunks, rest: nothingMore }, isWhole: true };
      chunks.push(chunk);
      length += chunk.length;
    }
    return { body: { first: chunks, rest }, isWhole: false };
  } catch (cause) {
    rest.stop();
    if (signal.aborted) throw reasonOf(signal);
    throw cause instanceof GatewayError ? cause : cutError(cause);
  }
};

/**
 * Reads a body that must be whole before it can be passed on. Whatever goes wrong, the connection is closed.
 * @throws {UpstreamError} when it breaks off or is too long, {TimeoutError} when it stalls or the deadline comes.
 */
export const collect = async (from: PrimedBody, options: CollectOptions): Promise<Buffer> => {
  const { body, isWhole } = await readShort(from, options);
  if (isWhole) return Buffer.concat(body.first);
  body.rest.stop();
  throw cutError(new RangeError(`more than ${options.maxBytes} bytes`));
};
