import type { Worker } from '../worker.ts';
import type { Upstream } from './client.ts';

/** A worker's answer to a small question; header names in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Asks a worker with GET; `undefined` when it did not answer in time, or at length. Never throws. */
export type Ask = (
  worker: Pick<Worker, 'url' | 'apiKey'>,
  path: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
) => Promise<Answer | undefined>;

/** Model lists and metrics are far smaller. */
const LONGEST = 4 * 1024 * 1024;

/**
 * GET over the upstream's connections, for small text.
 * @throws {UpstreamFailure} when there is no answer, or none once `signal` aborts.
 * @throws {RangeError} when the answer is longer than 4 MB.
 */
export const createGet =
  (upstream: Upstream) =>
  async (
    url: string,
    { headers, signal }: { headers: Record<string, string>; signal: AbortSignal },
  ): Promise<Answer> => {
    const { origin, pathname, search } = new URL(url);
    const response = await upstream.send({
      worker: { url: origin },
      method: 'GET',
      path: pathname + search,
      headers: { accept: '*/*', 'accept-encoding': 'identity', ...headers },
      signal,
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response.body) {
      length += chunk.length;
      if (length > LONGEST) throw new RangeError('The answer is too long.');
      chunks.push(chunk);
    }
    return { status: response.status, headers: response.headers, body: Buffer.concat(chunks).toString() };
  };

export const createAsk = (upstream: Upstream): Ask => {
  const get = createGet(upstream);
  return async ({ url, apiKey }, path, { timeoutMs, signal }) => {
    const limit = new AbortController();
    const stop = () => limit.abort();
    const timer = setTimeout(stop, timeoutMs);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await get(url + path, {
        headers: apiKey ? { authorization: `Bearer ${apiKey}` } : {},
        signal: limit.signal,
      });
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  };
};
