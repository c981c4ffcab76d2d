import fc from 'fast-check';
import { completionStream } from '../../../lib/dialects/completion-stream.ts';
import type { StreamFormat } from '../../../lib/dialects/dialect.ts';
import { messageStream } from '../../../lib/dialects/message-stream.ts';
import { ollamaStream } from '../../../lib/dialects/ollama-stream.ts';
import { responseStream } from '../../../lib/dialects/response-stream.ts';
import { transcriptStream } from '../../../lib/dialects/transcript-stream.ts';

/** A stream as a worker would send it, with the places that matter. */
export interface WorkerStream {
  readonly bytes: Uint8Array;
  /** Before this many bytes the operation is not complete, whatever may look like it. */
  readonly openUntil: number;
  /** From this many bytes on it is complete. */
  readonly completeFrom: number;
}

/** How one kind of stream looks to clients of its dialect. */
export interface StreamKind {
  readonly name: string;
  readonly format: StreamFormat;
  readonly dialect: 'openai' | 'anthropic' | 'ollama';
  readonly stream: fc.Arbitrary<WorkerStream>;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** What a model may say: anything, markers and JSON that looks like one included. */
const modelOutput = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    'data: [DONE]\n\n',
    '[DONE]',
    '"finish_reason":"stop"',
    '{"finish_reason": "stop"}',
    '"type":"response.completed"',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    '{"type":"message_stop"}',
    '{"done":true}\n',
    '"done":true',
    'transcript.text.done',
    '\n\nevent: error\ndata: {"error":{}}\n\n',
    'data: {"error":{"message":"no"}}\n\n',
  ),
);

const framing = fc.constantFrom('\n', '\r\n');

interface Piece {
  readonly event?: string;
  readonly data: unknown;
  /** With this piece the operation is complete. */
  readonly completes?: boolean;
}

const dataText = (data: unknown) => (typeof data === 'string' ? data : JSON.stringify(data));

/** Frames events; comments may stand between them. */
const sse = (pieces: readonly Piece[], newline: string, comments: readonly number[]): WorkerStream => {
  let text = '';
  let openUntil: number | undefined;
  let completeFrom: number | undefined;
  for (const [at, { event, data, completes }] of pieces.entries()) {
    if (comments.includes(at)) text += `: ping${newline}${newline}`;
    text += `${event === undefined ? '' : `event: ${event}${newline}`}data: ${dataText(data)}`;
    if (completes) openUntil ??= utf8(text).length;
    text += newline + newline;
    if (completes) completeFrom ??= utf8(text).length;
  }
  const bytes = utf8(text);
  return { bytes, openUntil: openUntil ?? Infinity, completeFrom: completeFrom ?? Infinity };
};

const arbitrarySse = (pieces: fc.Arbitrary<readonly Piece[]>) =>
  fc.tuple(pieces, framing, fc.array(fc.nat(8), { maxLength: 2 })).map((parts) => sse(...parts));

const outputs = fc.array(modelOutput, { minLength: 1, maxLength: 4 });

const chat = fc
  .tuple(outputs, fc.boolean(), fc.boolean(), fc.boolean())
  .map(([texts, hasFinish, hasUsage, isTool]): readonly Piece[] => {
    const chunk = (delta: object, finish_reason: string | null = null): Piece => ({
      data: { id: 'c', choices: [{ index: 0, delta, finish_reason }] },
      completes: finish_reason !== null,
    });
    const delta = (text: string) => (isTool ? { tool_calls: [{ function: { arguments: text } }] } : { content: text });
    return [
      chunk({ role: 'assistant' }),
      ...texts.map((text) => chunk(delta(text))),
      ...(hasFinish ? [chunk({}, 'stop')] : []),
      ...(hasUsage ? [{ data: { choices: [], usage: { total_tokens: 3 } } }] : []),
      { data: '[DONE]', completes: true },
    ];
  });

const responses = fc
  .tuple(outputs, fc.constantFrom('completed', 'incomplete', 'failed'), fc.boolean())
  .map(([texts, ending, isNamed]): readonly Piece[] => {
    const piece = (type: string, rest: object, completes = false): Piece => ({
      ...(isNamed && { event: type }),
      data: { type, ...rest },
      completes,
    });
    return [
      piece('response.created', { response: { status: 'in_progress' } }),
      ...texts.map((delta) => piece('response.output_text.delta', { delta })),
      piece(`response.${ending}`, { response: { output: texts } }, true),
    ];
  });

const transcript = fc
  .tuple(outputs, fc.boolean())
  .map(([texts, hasDone]): readonly Piece[] => [
    ...texts.map((delta) => ({ data: { type: 'transcript.text.delta', delta } })),
    { data: { type: 'transcript.text.done', text: texts.join('') }, completes: true },
    ...(hasDone ? [{ data: '[DONE]' }] : []),
  ]);

const messages = fc
  .tuple(outputs, fc.constantFrom('message_stop', 'error'))
  .map(([texts, ending]): readonly Piece[] => {
    const piece = (type: string, rest: object = {}, completes = false): Piece => ({
      event: type,
      data: { type, ...rest },
      completes,
    });
    return [
      piece('message_start', { message: { content: [] } }),
      ...texts.map((text) => piece('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
      ending === 'error'
        ? piece('error', { error: { type: 'overloaded_error', message: 'no' } }, true)
        : piece('message_stop', {}, true),
    ];
  });

const lines = fc
  .tuple(outputs, framing, fc.constantFrom({ done: true }, { error: 'no' }))
  .map(([texts, newline, last]): WorkerStream => {
    const start = utf8(texts.map((response) => JSON.stringify({ response, done: false }) + newline).join(''));
    const end = utf8(JSON.stringify({ model: 'm', ...last }));
    const openUntil = start.length + end.length;
    return { bytes: Buffer.concat([start, end, utf8(newline)]), openUntil, completeFrom: openUntil + newline.length };
  });

/** Every kind of stream whose end the gateway understands. */
export const streamKinds: readonly StreamKind[] = [
  { name: 'chat and completions', format: completionStream, dialect: 'openai', stream: arbitrarySse(chat) },
  { name: 'responses', format: responseStream, dialect: 'openai', stream: arbitrarySse(responses) },
  { name: 'transcription', format: transcriptStream, dialect: 'openai', stream: arbitrarySse(transcript) },
  { name: 'messages', format: messageStream, dialect: 'anthropic', stream: arbitrarySse(messages) },
  { name: 'Ollama', format: ollamaStream, dialect: 'ollama', stream: lines },
];
