import type { Answer } from '../engines/engine.ts';
import { timeLimit } from '../time/time-limit.ts';
import { keyHeader, type Worker } from '../worker.ts';
import type { Upstream } from './client.ts';

/** Asks a worker, with GET if nothing else is said; `undefined` when it did not answer in time, or at length. Never throws. */
export type Ask = (
  worker: Pick<Worker, 'url' | 'apiKey'>,
  path: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal; readonly method?: 'GET' | 'POST' },
) => Promise<Answer | undefined>;

/** Model lists and metrics are far smaller. */
const LONGEST_TEXT = 4 * 1024 * 1024;

interface GetOptions {
  /** POST without a body; default GET. */
  readonly method?: 'GET' | 'POST' | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Default 4 MB. */
  readonly maxBytes?: number;
}

/**
 * GET over the upstream's connections, for what fits in memory. Redirects are not followed.
 * @throws {ExchangeError} when there is no answer, or none once `signal` aborts.
 * @throws {RangeError} when the answer is longer than `maxBytes`.
 */
export const createFetch =
  (upstream: Upstream) =>
  async (url: string, { method = 'GET', headers, signal, maxBytes = LONGEST_TEXT }: GetOptions) => {
    const { origin, pathname, search } = new URL(url);
    const response = await upstream.send({
      worker: { url: origin },
      method,
      path: pathname + search,
      headers: { accept: '*/*', 'accept-encoding': 'identity', ...headers },
      signal,
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response.body) {
      length += chunk.length;
      if (length > maxBytes) throw new RangeError('The answer is too long.');
      chunks.push(chunk);
    }
    return { status: response.status, headers: response.headers, body: Buffer.concat(chunks) };
  };

/** `createFetch` for text. */
export const createGet = (upstream: Upstream) => {
  const fetch = createFetch(upstream);
  return async (url: string, options: GetOptions): Promise<Answer> => {
    const answer = await fetch(url, options);
    return { ...answer, body: answer.body.toString() };
  };
};

export const createAsk = (upstream: Upstream): Ask => {
  const get = createGet(upstream);
  return async (worker, path, { timeoutMs, signal, method }) => {
    const limit = new AbortController();
    const stop = () => limit.abort();
    const release = timeLimit(timeoutMs, stop);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await get(worker.url + path, { method, headers: keyHeader(worker), signal: limit.signal });
    } catch {
      return undefined;
    } finally {
      release();
      signal?.removeEventListener('abort', stop);
    }
  };
};
