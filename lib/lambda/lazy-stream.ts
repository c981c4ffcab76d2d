import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Head, Reply, Sink } from '../http/reply.ts';

/** RIC's response stream: duck-typed, `write` and `end` only; never destroyed, never written after its end. */
export type ResponseStream = awslambda.HttpResponseStream;

/** Resolves when the stream takes more, or when the invocation's time is over. */
const drained = (stream: ResponseStream, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.once('drain', done);
    signal.addEventListener('abort', done);
  });

/** Of JSON. Lambda keeps the metadata within the stream's first 16 KB; half of it leaves room for the gateway's own. */
const HEAD_BYTES = 8 * 1024;

/** Without these a client cannot read an answer, or know what to do next. */
const ESSENTIAL = new Set(['content-type', 'content-encoding', 'location', 'retry-after', 'allow', 'www-authenticate']);

/** Leaves out the largest headers when a worker sent more than the platform can carry. */
const withinLimit = (headers: Readonly<Record<string, string>>): Record<string, string> => {
  let characters = 0;
  for (const name in headers) characters += name.length + (headers[name] as string).length + 3;
  // No character takes more than two bytes of JSON: none beyond Latin-1 can stand in a header.
  if (2 * characters <= HEAD_BYTES) return { ...headers };
  const sized = Object.entries(headers).map(([name, value]) => {
    const bytes = Buffer.byteLength(JSON.stringify({ [name]: value }));
    return { name, bytes, rank: ESSENTIAL.has(name) ? 0 : bytes };
  });
  let total = sized.reduce((sum, { bytes }) => sum + bytes, 0);
  const kept = { ...headers };
  for (const { name, bytes } of sized.sort((a, b) => b.rank - a.rank || b.bytes - a.bytes)) {
    if (total <= HEAD_BYTES) break;
    delete kept[name];
    total -= bytes;
  }
  return kept;
};

/** What the writer needs of a request. */
type Written = Pick<GatewayRequest, 'method' | 'onHead' | 'onChunk'> & {
  readonly deadline: Pick<GatewayRequest['deadline'], 'signal'>;
};

/**
 * Writes a reply whose head is written late: its first chunk is awaited, and only then the hooks in `request.onHead`
 * complete the head, which leaves together with that chunk. It does not end the stream.
 *
 * @throws what writing the body throws; nothing was written if no hook of `request.onHead` has run.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
 */
export const writeReply = async (stream: ResponseStream, reply: Reply, request: Written): Promise<void> => {
  const { signal } = request.deadline;
  const open = (): ResponseStream => {
    const head: Head = { statusCode: reply.status ?? 200, headers: withinLimit(reply.headers) };
    for (const complete of request.onHead) complete(head);
    return awslambda.HttpResponseStream.from(stream, { ...head });
  };
  let out: ResponseStream | undefined;
  const sink: Sink = {
    write(chunk) {
      out ??= open();
      request.onChunk?.(chunk);
      return out.write(chunk);
    },
    drained: () => drained(stream, signal),
  };
  const body = request.method === 'HEAD' ? undefined : reply.body;
  if (typeof body === 'function') await body(sink);
  else if (body !== undefined) sink.write(body);
  // end() without a write would send no head at all.
  if (!out) open().write('');
};
