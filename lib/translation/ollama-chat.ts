import { type Block, createBlocks } from './blocks.ts';
import { choiceOf, type FinishReason, noUsage, type Usage, usageOf } from './chat.ts';
import { chatStream } from './chat-stream.ts';
import { argumentsOf, listOf, numberOf, objectOf, only, textOf } from './fields.ts';
import { chatRequest, isThoughtless } from './ollama-request.ts';
import type { Asked, Fields, StreamTranslation, Translation } from './translation.ts';

const NS_PER_MS = 1e6;
const ns = (ms: number): number => Math.max(0, Math.round(ms * NS_PER_MS));

/** When the worker began to answer, and what it measured itself (llama.cpp: `timings`). */
interface Times {
  readonly firstAt: number;
  readonly timings: Fields;
}

/** Counts and durations of the last line; durations in nanoseconds. */
const figures = (usage: Usage | undefined, { firstAt, timings }: Times, { startedAt, now }: Asked): Fields => {
  const endedAt = now();
  return {
    total_duration: ns(endedAt - startedAt),
    load_duration: 0,
    prompt_eval_count: (usage ?? noUsage).promptTokens,
    prompt_eval_duration: ns(numberOf(timings.prompt_ms) ?? firstAt - startedAt),
    eval_count: (usage ?? noUsage).completionTokens,
    eval_duration: ns(numberOf(timings.predicted_ms) ?? endedAt - firstAt),
  };
};

const DONE: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'stop',
  content_filter: 'stop',
};

const base = (answer: Fields, { requestedModel, now }: Asked): Fields => ({
  model: requestedModel ?? textOf(answer.model) ?? '',
  created_at: new Date(now()).toISOString(),
});

interface Piece {
  readonly content?: string;
  readonly thinking?: string;
  readonly tool_calls?: readonly Fields[];
}

/** The piece where `/api/chat` has it, in a message, or beside the rest as in `/api/generate`. */
const saying = ({ content = '', thinking, tool_calls }: Piece, { operation }: Asked): Fields => {
  const rest = { ...(thinking && { thinking }), ...(tool_calls?.length && { tool_calls }) };
  return operation === 'ollama_generate'
    ? { response: content, ...rest }
    : { message: { role: 'assistant', content, ...rest } };
};

const callOf = (id: string, index: number, name: string, args: string): Fields => ({
  id,
  function: { index, name, arguments: argumentsOf(args) },
});

/** Of calls to which the worker gives no id: no other answer may have the same. */
const callPrefix = (answer: Fields, { id }: Asked): string => `call_${textOf(answer.id) ?? id}_`;

const logprobsOf = (logprobs: readonly unknown[]): Fields =>
  logprobs.length === 0
    ? {}
    : { logprobs: logprobs.map((one) => only(objectOf(one), 'token', 'logprob', 'bytes', 'top_logprobs')) };

const response = (answer: Fields, asked: Asked): Fields => {
  const choice = choiceOf(answer);
  if (!choice) throw new TypeError('no choice');
  const { said, finishReason = 'stop', logprobs } = choice;
  const prefix = callPrefix(answer, asked);
  const calls = said.calls.map((call, i) => callOf(call.id ?? prefix + i, i, call.name ?? '', call.arguments));
  const piece = {
    content: said.content + said.refusal,
    ...(!isThoughtless(asked.body) && { thinking: said.reasoning }),
    tool_calls: calls,
  };
  return {
    ...base(answer, asked),
    ...saying(piece, asked),
    ...logprobsOf(logprobs),
    done: true,
    done_reason: DONE[finishReason],
    ...figures(usageOf(answer), { firstAt: asked.startedAt, timings: objectOf(answer.timings) }, asked),
  };
};

/** Without a prompt Ollama loads the model, or lets it go: workers have theirs loaded, and keep them. */
const own = (asked: Asked): string | undefined => {
  const { body, operation } = asked;
  const isEmpty =
    operation === 'ollama_generate'
      ? !textOf(body.prompt) && listOf(body.images).length === 0
      : listOf(body.messages).length === 0 && (body.messages === undefined || Array.isArray(body.messages));
  if (!isEmpty) return undefined;
  const reason = numberOf(body.keep_alive) === 0 ? 'unload' : 'load';
  const line = { ...base({}, asked), ...saying({}, asked), done: true, done_reason: reason };
  return `${JSON.stringify(line)}\n`;
};

/** One object a line; a tool call is a line of its own, once its arguments are complete. */
const stream = (asked: Asked): StreamTranslation =>
  chatStream((write) => {
    let calls = 0;
    let firstAt: number | undefined;
    let last: Fields = {};
    let timings: Fields = {};
    let logprobs: Fields = {};

    const line = (fields: Fields) => write(`${JSON.stringify({ ...base(last, asked), ...fields })}\n`);
    const say = (piece: Piece) => {
      line({ ...saying(piece, asked), done: false, ...logprobs });
      logprobs = {};
    };

    const blocks = createBlocks(
      {
        start: () => {},
        delta: ({ kind }: Block, piece: string) => {
          if (kind === 'reasoning') say({ thinking: piece });
          else if (kind !== 'call') say({ content: piece });
        },
        stop: ({ kind, id, name, text }: Block) => {
          if (kind !== 'call') return;
          say({ tool_calls: [callOf(id, calls, name, text)] });
          calls += 1;
        },
      },
      `call_${asked.id}_`,
    );

    return {
      isThoughtless: isThoughtless(asked.body),
      comment: '',
      event(event) {
        last = event;
        if (event.timings) timings = objectOf(event.timings);
        return blocks;
      },
      choice(choice) {
        firstAt ??= asked.now();
        logprobs = logprobsOf(choice.logprobs);
      },
      close({ usage, finishReason }) {
        blocks.close();
        const times = { firstAt: firstAt ?? asked.now(), timings };
        line({
          ...saying({}, asked),
          done: true,
          done_reason: DONE[finishReason ?? 'stop'],
          ...figures(usage, times, asked),
        });
      },
      fail: (status, message) => write(`${asked.errorBody(status, message)}\n`),
    };
  });

/**
 * Ollama's `chat` and `generate` on OpenAI's chat completions.
 * Source: Ollama `docs/api.md` and `api/types.go`; OpenAI API reference, "Chat completions".
 */
export const translation: Translation = { request: chatRequest, own, response, stream };
