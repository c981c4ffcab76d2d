import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The worker of the benchmark: does as the request's text asks, as fast as Node can, so that what is measured is the
 * way there and back. `bench:burst:200` 200 events in one go; `bench:paced:40:5` 40 events 5 ms apart;
 * `bench:bytes:1000` a body of that size, `bench:flood:1000` about as much as events of 250 bytes, written in blocks of
 * 64 KB that end anywhere; else a short JSON answer. Run as a process of its own; `argv[2]` is how many
 * ports it listens on, each of them one worker to a gateway.
 */

const block = Buffer.alloc(65_536, 'x');

const ANSWER = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_760_000_000,
    model: 'bench',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello, bench.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
  }),
);

const event = (content: string, finish: string | null = null) =>
  `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"bench","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":${JSON.stringify(finish)}}]}\n\n`;

/** CLOCK_MONOTONIC is the same for all processes of a machine. */
const now = () => String(process.hrtime.bigint());
const STREAM_END = `${event('', 'stop')}data: [DONE]\n\n`;

/** The same stream in the words of the client's dialect. */
interface Words {
  readonly type: string;
  readonly start: string;
  readonly event: (content: string) => string;
  readonly end: string;
}
const SSE = 'text/event-stream; charset=utf-8';
const typed = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
const CHAT: Words = { type: SSE, start: '', event, end: STREAM_END };
const line = (rest: object) => `${JSON.stringify({ model: 'bench', created_at: '2026-01-01T00:00:00Z', ...rest })}\n`;
const item = { item_id: 'msg_1', output_index: 0, content_index: 0 };
const DIALECTS: ReadonlyMap<string, Words> = new Map([
  [
    '/v1/messages',
    {
      type: SSE,
      start:
        typed('message_start', { message: { id: 'msg_1', role: 'assistant', content: [], usage: {} } }) +
        typed('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      event: (text) => typed('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
      end:
        typed('content_block_stop', { index: 0 }) +
        typed('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }) +
        typed('message_stop', {}),
    },
  ],
  [
    '/v1/responses',
    {
      type: SSE,
      start: typed('response.created', { sequence_number: 0, response: { id: 'resp_1', status: 'in_progress' } }),
      event: (delta) => typed('response.output_text.delta', { sequence_number: 1, ...item, delta, logprobs: [] }),
      end: typed('response.completed', { sequence_number: 9, response: { id: 'resp_1', status: 'completed' } }),
    },
  ],
  [
    '/api/chat',
    {
      type: 'application/x-ndjson',
      start: '',
      event: (content) => line({ message: { role: 'assistant', content }, done: false }),
      end: line({ message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop' }),
    },
  ],
]);

const stream = (response: ServerResponse, type = SSE) =>
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' });

const burst = (response: ServerResponse, words: Words, events: number) => {
  stream(response, words.type).write(words.start);
  for (let n = 0; n < events; n += 1) response.write(words.event(now()));
  response.end(words.end);
};

const paced = (response: ServerResponse, words: Words, events: number, everyMs: number) => {
  stream(response, words.type).write(words.start);
  let left = events;
  const timer = setInterval(() => {
    response.write(words.event(now()));
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    response.end(words.end);
  }, everyMs);
  response.once('close', () => clearInterval(timer));
};

/** Larger than the blocks it leaves in, so that these end within events. */
const flooding = Buffer.from(event('Hello, bench.'.repeat(4)).repeat(4000));

const flood = async (response: ServerResponse, length: number) => {
  stream(response);
  for (let sent = 0; sent < length; ) {
    const from = sent % flooding.length;
    const piece = flooding.subarray(from, from + block.length);
    sent += piece.length;
    // Not in the middle of an event at the very end.
    const isLast = sent >= length;
    const isFlowing = response.write(isLast ? flooding.subarray(from) : piece);
    if (!isFlowing) await new Promise((resolve) => response.once('drain', resolve));
  }
  response.end(STREAM_END);
};

const bytes = async (response: ServerResponse, length: number) => {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  for (let left = length; left > 0; left -= block.length) {
    const isFlowing = response.write(left < block.length ? block.subarray(0, left) : block);
    if (!isFlowing) await new Promise((resolve) => response.once('drain', resolve));
  }
  response.end();
};

const json = (response: ServerResponse, body: string | Buffer) =>
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);

/** What a server of vLLM's kind says of itself while two requests run. */
const PROBES: Readonly<Record<string, string>> = {
  '/load': '{"server_load":2}',
  '/health': '',
  '/v1/models': '{"object":"list","data":[{"id":"bench","object":"model","owned_by":"vllm"}]}',
};

const answer = async (request: IncomingMessage, response: ServerResponse) => {
  const probe = request.method === 'GET' ? PROBES[request.url ?? ''] : undefined;
  if (probe !== undefined) return json(response, probe);
  let start: Buffer | undefined;
  for await (const chunk of request) start ??= chunk as Buffer;
  const [, what, first = '0', second = '0'] =
    /bench:(\w+):(\d+)(?::(\d+))?/.exec(start?.toString('latin1', 0, 4096) ?? '') ?? [];
  const words = DIALECTS.get(request.url ?? '') ?? CHAT;
  if (what === 'burst') return burst(response, words, Number(first));
  if (what === 'paced') return paced(response, words, Number(first), Number(second));
  if (what === 'flood') return flood(response, Number(first));
  if (what === 'bytes') return bytes(response, Number(first));
  return json(response, ANSWER);
};

const ports = await Promise.all(
  Array.from({ length: Number(process.argv[2] ?? 1) }, async () => {
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
      // A connection that breaks is the other side's failure; the driver sees it.
      answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }),
);
process.send?.(ports);
process.once('disconnect', () => process.exit());
