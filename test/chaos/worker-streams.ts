import fc from 'fast-check';
import { type Operation, operation } from '../support/operations.ts';

/** What a worker writes on its socket, and how it leaves. */
export interface WorkerStream {
  readonly one: Operation;
  /** All the events it would send. */
  readonly body: Buffer;
  /** How many of these bytes it sends. */
  readonly sent: number;
  /** Where they are cut into writes. */
  readonly cuts: readonly number[];
  readonly contentType: string;
  readonly framing: 'chunked' | 'length' | 'close';
  /** `end`: the message is ended as its framing has it, which says that it is whole. */
  readonly leaves: 'end' | 'fin' | 'reset';
  /** Waits before it leaves. */
  readonly lingers: boolean;
}

const names = [
  'chat',
  'completions',
  'responses',
  'messages',
  'transcription',
  'ollama chat',
  'ollama generate',
  'speech',
];

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '[DONE]',
    'data: [DONE]',
    '"finish_reason":"stop"',
    '\n\n',
    '\r\n',
    '{"error":{}}',
    'event: error',
    '\\"',
  ),
);
const sse = (event: string | undefined, data: unknown, eol: string) =>
  `${event ? `event: ${event}${eol}` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}${eol}${eol}`;

/** One event or line of ordinary content. @param more further fields, which may hold every marker there is. */
const contentOf = (name: string, said: string, eol: string, more: object): string => {
  const typed = (type: string, rest: object) => sse(type, { type, ...rest, ...more }, eol);
  if (name === 'chat')
    return sse(undefined, { choices: [{ index: 0, delta: { content: said }, finish_reason: null }], ...more }, eol);
  if (name === 'completions')
    return sse(undefined, { ...more, choices: [{ index: 0, text: said, finish_reason: null }] }, eol);
  if (name === 'responses') return typed('response.output_text.delta', { delta: said });
  if (name === 'messages') return typed('content_block_delta', { delta: { text: said } });
  if (name === 'transcription') return sse(undefined, { type: 'transcript.text.delta', delta: said, ...more }, eol);
  if (name === 'speech') return said;
  const message = name === 'ollama chat' ? { message: { content: said } } : { response: said };
  return `${JSON.stringify({ ...message, ...more, done: false })}\n`;
};

/** What a worker may say back of what a client sent: it ends nothing. */
const echo = fc.constantFrom(
  {},
  {},
  { metadata: { type: 'error', error: { message: 'an echo' }, finish_reason: 'stop', done: true } },
  { metadata: { note: 'data: [DONE]\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n' } },
  { tools: [{ type: 'response.completed', finish_reason: 'stop' }] },
);

/** The terminal markers of docs/contract.md section 1. */
const markersOf = (name: string, eol: string): readonly string[] => {
  const done = sse(undefined, '[DONE]', eol);
  if (name === 'chat' || name === 'completions') return [done];
  if (name === 'responses') {
    return ['completed', 'incomplete', 'failed'].map((type) =>
      sse(`response.${type}`, { type: `response.${type}`, response: {} }, eol),
    );
  }
  if (name === 'messages') return [sse('message_stop', { type: 'message_stop' }, eol)];
  if (name === 'transcription') return [sse(undefined, { type: 'transcript.text.done', text: '' }, eol), done];
  return name === 'speech' ? [''] : [`${JSON.stringify({ done: true, done_reason: 'stop' })}\n`];
};

const typeOf = ({ streams }: Operation) =>
  streams === 'sse' ? 'text/event-stream' : streams === 'ndjson' ? 'application/x-ndjson' : 'audio/wav';

/** Anywhere, and not rather at the ends. */
const share = fc.noBias(fc.integer({ min: 0, max: 1000 })).map((n) => n / 1000);

/** Streams of every operation, framed, cut and ended in every way. */
export const workerStreams: fc.Arbitrary<WorkerStream> = fc
  .record({
    name: fc.constantFrom(...names),
    eol: fc.constantFrom('\n', '\r\n', '\r'),
    comments: fc.boolean(),
    ids: fc.boolean(),
    more: echo,
    said: fc.array(text, { minLength: 1, maxLength: 8 }),
    marker: fc.nat(2),
    hasMarker: fc.boolean(),
    cutAt: fc.option(share, { nil: undefined, freq: 1 }),
    cuts: fc.array(share, { maxLength: 6 }),
    framing: fc.constantFrom('chunked' as const, 'length' as const, 'close' as const),
    lingers: fc.boolean(),
    leaves: fc.constantFrom('end' as const, 'fin' as const, 'reset' as const),
  })
  .map(({ name, eol, comments, ids, more, said, marker, hasMarker, cutAt, cuts, framing, leaves, lingers }) => {
    const one = operation(name);
    const isSse = one.streams === 'sse';
    const markers = markersOf(name, eol);
    const before = isSse ? (comments ? `: note${eol}${eol}` : '') + (ids ? `id: 1${eol}` : '') : '';
    const parts = said.map((each) => before + contentOf(name, each, eol, more));
    const body = Buffer.from(parts.join('') + (hasMarker ? markers[marker % markers.length] : ''));
    const sent = cutAt === undefined ? body.length : Math.floor(cutAt * body.length);
    const places = [...new Set(cuts.map((cut) => Math.floor(cut * sent)))].sort((a, b) => a - b);
    return { one, body, sent, cuts: places, contentType: typeOf(one), framing, leaves, lingers };
  });
