import { Agent, request } from 'node:http';

/** One request as the driver saw it; times in milliseconds from its start. */
export interface Timing {
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly bytes: number;
  /** Milliseconds from the worker's writing of each timed event to its arrival here. */
  readonly delays: readonly number[];
}

export interface Asked {
  readonly path: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Collects the delays of timed events. */
  readonly isTimed?: boolean;
}

const STAMP = /"content":"(\d{6,})"/g;

/** An HTTP client with connections of its own, kept alive. */
export const createClient = () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });

  /** @throws {Error} for any status but 200, and for a body that breaks off. */
  const ask = (base: string, { path, body, contentType, headers, isTimed }: Asked): Promise<Timing> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(base);
      const startedAt = performance.now();
      let firstByteMs = Number.NaN;
      let bytes = 0;
      const delays: number[] = [];
      const outgoing = request(
        {
          hostname,
          port,
          path,
          agent,
          method: 'POST',
          headers: {
            'content-type': contentType,
            'content-length': body.length,
            authorization: 'Bearer x',
            ...headers,
          },
        },
        (response) => {
          response.on('data', (chunk: Buffer) => {
            if (Number.isNaN(firstByteMs)) firstByteMs = performance.now() - startedAt;
            bytes += chunk.length;
            if (!isTimed) return;
            const now = process.hrtime.bigint();
            for (const [, at = ''] of chunk.toString('latin1').matchAll(STAMP)) {
              delays.push(Number(now - BigInt(at)) / 1e6);
            }
          });
          response.once('error', reject);
          response.once('end', () => {
            if (response.statusCode !== 200) return reject(new Error(`${base}${path} answered ${response.statusCode}`));
            resolve({ firstByteMs, totalMs: performance.now() - startedAt, bytes, delays });
          });
        },
      );
      outgoing.once('error', reject);
      outgoing.end(body);
    });

  return { ask, close: () => agent.destroy() };
};

export type Client = ReturnType<typeof createClient>;
