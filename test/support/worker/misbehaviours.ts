import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Answer } from './answer.ts';
import { type Behaviour, combine, ordinary, reply } from './behaviours.ts';

/** What workers were seen to do, or could, beyond plain faults: each a way to be mistaken for something else. */
type Fields = Record<string, unknown>;

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Rewrites the JSON of an event or line; what is none stays. */
const rewritten = (part: Buffer, change: (value: Fields) => Fields): Buffer => {
  const [, head = '', data = '', end = ''] = /^((?:event: .*\n)?(?:data: )?)(\{.*\})(\n+)$/.exec(part.toString()) ?? [];
  return data === '' ? part : Buffer.from(head + JSON.stringify(change(JSON.parse(data))) + end);
};

const mapEvents = (change: (value: Fields) => Fields): Behaviour => ({
  change: (answer) =>
    answer.streamed && answer.terminal < answer.parts.length
      ? { ...answer, parts: answer.parts.map((part, at) => (at < answer.terminal ? rewritten(part, change) : part)) }
      : answer,
});

/** What a client may have sent along, and a worker says back: every terminal marker there is, in the wrong place. */
const markers = {
  type: 'error',
  error: { message: 'an echo', code: 503 },
  done: true,
  finish_reason: 'stop',
  status: 'completed',
  note: '"finish_reason":"stop"}\n\ndata: [DONE]\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n{"done":true}\n',
};

/** Every event before the terminal marker holds all of them, nested and as text. */
export const echoing: Behaviour = mapEvents((value) => {
  const { response } = value;
  if (typeof response === 'object' && response !== null)
    return { ...value, response: { ...response, metadata: markers } };
  return { ...value, metadata: markers };
});

/** Two choices, of which the first alone finishes; then a clean end. */
export const halfOfTwoChoices: Behaviour = {
  change: (answer) => {
    const asChoice = (index: number) => (value: Fields) => ({
      ...value,
      choices: (value.choices as Fields[]).map((choice) => ({ ...choice, index })),
    });
    const parts = answer.parts.slice(0, answer.terminal).flatMap((part) => [part, rewritten(part, asChoice(1))]);
    return { ...answer, parts: [...parts, ...answer.parts.slice(answer.terminal, answer.terminal + 1)] };
  },
};

/** Event ids, as resumable streams have them. */
export const withIds: Behaviour = {
  change: (answer) => ({
    ...answer,
    parts: answer.parts.map((part, at) => Buffer.concat([Buffer.from(`id: ${at}\n`), part])),
  }),
};

/** Comments and an id in front of the first event. */
export const behindComments: Behaviour = {
  change: (answer) => ({ ...answer, parts: [Buffer.from(': ping\n\n: ping\n\nid: 1\nretry: 10\n'), ...answer.parts] }),
};

/** Nothing for a while, in front of the head (0) or after so many parts. */
export const pausing = (parts: number, ms: number): Behaviour => ({
  deliver: async (exchange, answer) => {
    if (parts === 0) {
      await Promise.race([after(ms), exchange.gone]);
      return ordinary.deliver?.(exchange, answer);
    }
    const { response } = exchange;
    response.writeHead(answer.status, answer.headers);
    for (const [at, part] of answer.parts.entries()) {
      if (at === parts) await Promise.race([after(ms), exchange.gone]);
      if (response.destroyed) return;
      exchange.note(part);
      response.write(part);
    }
    response.end();
  },
});

/** The connection dies long after the request was there: an engine that ran, and crashed. */
export const dyingAfter = (ms: number): Behaviour => ({
  deliver: async ({ response, gone }) => {
    await Promise.race([after(ms), gone]);
    response.socket?.resetAndDestroy();
  },
});

/** A JSON answer to a request for a stream. */
export const jsonInstead: Behaviour = {
  change: (answer) => {
    const text = 'whole';
    const choice = { index: 0, message: { role: 'assistant', content: text }, text, finish_reason: 'stop' };
    const output = [{ type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text }] }];
    const body = {
      id: 'x_1',
      object: 'chat.completion',
      created: 1_760_000_000,
      type: 'message',
      role: 'assistant',
      model: 'test-model',
      status: 'completed',
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 1, prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      content: [{ type: 'text', text }],
      choices: [choice],
      output,
      text,
    };
    const headers = { 'content-type': 'application/json' };
    return answer.streamed
      ? { status: 200, headers, parts: [Buffer.from(JSON.stringify(body))], terminal: 1, streamed: false }
      : answer;
  },
};

/** The last event is complete but for its line ends. */
export const withoutLastLineEnd: Behaviour = {
  change: (answer) => {
    if (!answer.streamed || answer.terminal === answer.parts.length) return answer;
    const last = answer.parts.at(-1)?.toString().trimEnd() ?? '';
    return { ...answer, parts: [...answer.parts.slice(0, -1), Buffer.from(last)] };
  },
};

const asLines = (end: string): Behaviour => ({
  change: (answer) => ({
    ...answer,
    parts: answer.parts.map((part) => Buffer.from(part.toString().replaceAll('\n', end))),
  }),
});

/** Event streams framed with CR alone, which the standard allows. */
export const cr = asLines('\r');

/** One coding upon the other. */
export const encodedTwice: Behaviour = {
  change: (answer) => ({
    ...answer,
    headers: { ...answer.headers, 'content-encoding': 'gzip, br' },
    parts: [brotliCompressSync(gzipSync(Buffer.concat(answer.parts)))],
    streamed: false,
  }),
};

/** Right behind the answer, bytes that nobody asked for: an idle time-out told in the last moment. */
export const strayBehind: Behaviour = {
  deliver: async (exchange, answer) => {
    const { socket } = exchange.response;
    await ordinary.deliver?.(exchange, answer);
    socket?.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 5\r\n\r\nstray');
  },
};

/** What a load balancer says in place of a worker that is gone. */
export const page = (status: number): Behaviour =>
  reply(status, '<html><body><h1>Service Unavailable</h1></body></html>', { 'content-type': 'text/html' });

/** The pictures of a JSON answer, each changed. */
const mapPictures = (change: (picture: Fields) => Fields): Behaviour => ({
  change: (answer: Answer) => {
    const body = JSON.parse(Buffer.concat(answer.parts).toString()) as { data?: Fields[] };
    if (!Array.isArray(body.data)) return answer;
    return { ...answer, parts: [Buffer.from(JSON.stringify({ ...body, data: body.data.map(change) }))] };
  },
});

/** A good picture beside a URL that is none, or that leads elsewhere on the worker. */
export const pictureBesideUrl = (url: string): Behaviour =>
  mapPictures((picture) => ({ b64_json: 'AAAA', ...picture, url }));

/** A URL on the worker at which there is no picture. */
export const pageForPicture: Behaviour = mapPictures(() => ({ url: '/' }));

/** LocalAI's words while a model loads, in whatever status, shape and place. */
export const namingNode = (node: string, model: string): readonly Behaviour[] => {
  const message = `model ${model} is loading on ${node}`;
  const loading = { model, state: 'loading', node, progress: 0.5 };
  const nested = { error: { message, type: 'model_loading', code: 'model_loading', loading } };
  const beside = { error: { message, type: 'model_loading', code: 503 }, loading };
  const anthropic = { type: 'error', error: { type: 'overloaded_error', message, loading } };
  const bare = { error: message, loading };
  const shapes = [nested, beside, anthropic, bare];
  const asEvent = (body: object): Behaviour => ({
    change: (answer) => ({
      ...answer,
      headers: { ...answer.headers, 'content-type': 'text/event-stream' },
      parts: [Buffer.from(`event: error\ndata: ${JSON.stringify(body)}\n\n`), Buffer.from('data: [DONE]\n\n')],
      streamed: true,
    }),
  });
  return [
    ...shapes.flatMap((body) => [400, 404, 409, 429, 500, 503, 529].map((status) => reply(status, body))),
    ...shapes.map(asEvent),
    ...shapes.map((body) => combine(asEvent(body), behindComments)),
  ];
};
