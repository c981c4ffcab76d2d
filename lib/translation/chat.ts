import { isObject, listOf, numberOf, objectOf, textOf } from './fields.ts';
import type { Fields } from './translation.ts';

/** What a worker counted. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of the prompt's. */
  readonly cachedTokens: number;
  /** Of the completion's. */
  readonly reasoningTokens: number;
}

export const noUsage: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0 };

/** @returns `undefined` where the worker does not say. */
export const usageOf = ({ usage }: Fields): Usage | undefined => {
  if (!isObject(usage)) return undefined;
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage;
  return {
    promptTokens: numberOf(usage.prompt_tokens) ?? 0,
    completionTokens: numberOf(usage.completion_tokens) ?? 0,
    cachedTokens: numberOf(objectOf(prompt).cached_tokens) ?? 0,
    reasoningTokens: numberOf(objectOf(completion).reasoning_tokens) ?? 0,
  };
};

/** A tool call, or the next piece of one. */
export interface CallPiece {
  readonly index: number | undefined;
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly arguments: string;
}

/** What a `message` or a `delta` says. */
export interface Said {
  readonly reasoning: string;
  readonly content: string;
  readonly refusal: string;
  readonly calls: readonly CallPiece[];
}

/** Text, or (Mistral's server) a list of parts. */
const contentOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : listOf(content)
        .map((part) => textOf(objectOf(part).text) ?? '')
        .join('');

const callOf = (call: unknown): CallPiece => {
  const { index, id, function: called } = objectOf(call);
  const { name, arguments: said } = objectOf(called);
  return {
    index: numberOf(index),
    id: textOf(id),
    name: textOf(name),
    arguments: typeof said === 'string' ? said : isObject(said) ? JSON.stringify(said) : '',
  };
};

/** Reasoning is `reasoning_content` (llama.cpp, SGLang, vLLM up to 0.11), or `reasoning` (vLLM, Ollama, LocalAI). */
const saidIn = (message: Fields): Said => ({
  reasoning: textOf(message.reasoning_content) ?? textOf(message.reasoning) ?? '',
  content: typeof message.content === 'string' ? message.content : contentOf(message.content),
  refusal: textOf(message.refusal) ?? '',
  calls: Array.isArray(message.tool_calls) ? message.tool_calls.map(callOf) : [],
});

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** One choice of an answer, or of an event. */
export interface Choice {
  readonly said: Said;
  readonly finishReason: FinishReason | undefined;
  /** The stop sequence that was met, where the engine says it (vLLM: `stop_reason`). */
  readonly stopSequence: string | undefined;
  readonly logprobs: readonly unknown[];
}

const FINISH: ReadonlyMap<unknown, FinishReason> = new Map([
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
]);

/** Nothing was said yet; or an error, which also has no choice. */
const isFirst = (choice: unknown): boolean => isObject(choice) && (numberOf(choice.index) ?? 0) === 0;

/** @returns the first choice of a completion, or of a chunk of one; `undefined` where it has none. */
export const choiceOf = ({ choices }: Fields): Choice | undefined => {
  const choice = listOf(choices).find(isFirst);
  if (!isObject(choice)) return undefined;
  const { finish_reason: reason, stop_reason: stop } = choice;
  return {
    said: saidIn(objectOf(choice.delta ?? choice.message)),
    finishReason: textOf(reason) === undefined ? undefined : (FINISH.get(reason) ?? 'stop'),
    stopSequence: textOf(stop),
    logprobs: listOf(objectOf(choice.logprobs).content),
  };
};

const GIVEN_UP: ReadonlySet<unknown> = new Set(['error', 'abort']);

/** @returns whether the worker has ended it before the model did (vLLM, SGLang: `abort`; routers: `error`). */
export const hasGivenUp = ({ choices }: Fields): boolean =>
  listOf(choices).some((choice) => GIVEN_UP.has(objectOf(choice).finish_reason));

/** Named tool choices end with `stop` on some engines: what was said counts. */
export const finishOf = (reason: FinishReason | undefined, hasCalls: boolean): FinishReason =>
  hasCalls && (reason === undefined || reason === 'stop') ? 'tool_calls' : (reason ?? 'stop');

/** A completion as the one event of a stream, for a client that was promised one. */
export const asChunk = (completion: Fields): Fields => ({
  ...completion,
  choices: listOf(completion.choices).map((choice) => {
    const { message, ...rest } = objectOf(choice);
    const calls = listOf(objectOf(message).tool_calls).map((call, index) => ({ index, ...objectOf(call) }));
    return { finish_reason: 'stop', ...rest, delta: { ...objectOf(message), tool_calls: calls } };
  }),
});

/** What is wrong, in the worker's words. */
export interface WorkerError {
  readonly status: number | undefined;
  readonly message: string;
}

const OWN_WORDS = 'The worker answered with an error.';
const OVERFLOW =
  /context_length_exceeded|exceed_context_size|maximum context length|exceeds? the (?:available )?context (?:size|length|window)/i;
/** Clients that can shorten a conversation look for these words (Anthropic's own). */
const TOO_LONG = 'prompt is too long';

/** What an error without a number says of its status. */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  ['invalid_request_error', 400],
  ['BadRequestError', 400],
  ['authentication_error', 401],
  ['not_found_error', 404],
  ['rate_limit_error', 429],
  ['overloaded_error', 529],
]);

/**
 * @param value a worker's error body, or an event that is one: OpenAI's, vLLM's older one, FastAPI's `detail`.
 * @returns `undefined` where it is none.
 */
export const errorIn = (value: unknown): WorkerError | undefined => {
  const body = objectOf(value);
  const error = body.error ?? (body.object === 'error' || body.type === 'error' ? body : undefined) ?? body.detail;
  if (error === undefined || error === null) return undefined;
  const { message, code, status, type } = objectOf(error);
  const said = [body.code, status, code].map(numberOf).find((n) => n !== undefined && n >= 400 && n <= 599);
  const text = textOf(error) ?? textOf(message) ?? (isObject(error) ? OWN_WORDS : JSON.stringify(error));
  const isTooLong = [text, code, type].some((words) => typeof words === 'string' && OVERFLOW.test(words));
  return { status: said ?? STATUSES.get(type ?? body.type), message: isTooLong ? `${TOO_LONG}: ${text}` : text };
};
