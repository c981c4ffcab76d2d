import { type Answer, jsonAnswer, type SseEvent, sseAnswer } from './answer.ts';

/** A tool call as a model makes it. */
export interface SpokenCall {
  readonly id: string;
  readonly name: string;
  /** The arguments' JSON, in the pieces in which it streams. */
  readonly pieces: readonly string[];
}

/** What a model says in one turn, in pieces. */
export interface Spoken {
  readonly reasoning?: readonly string[];
  readonly content?: readonly string[];
  readonly calls?: readonly SpokenCall[];
  readonly finish?: 'stop' | 'length' | 'tool_calls' | 'content_filter';
  /** vLLM: the stop sequence that was met. */
  readonly stop?: string;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
}

/** Whose server speaks: they differ in the names of fields, and in what stands in which chunk. */
export type Accent = 'vllm' | 'llamacpp';

const created = 1_760_000_000;

const usageOf = ({ promptTokens = 7, cachedTokens = 0, completionTokens = 5 }: Spoken) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
  prompt_tokens_details: cachedTokens > 0 ? { cached_tokens: cachedTokens } : null,
});

const timings = { prompt_n: 7, prompt_ms: 21.5, predicted_n: 5, predicted_ms: 43.25 };

const finishOf = ({ finish, calls = [] }: Spoken) => finish ?? (calls.length > 0 ? 'tool_calls' : 'stop');

const messageOf = (spoken: Spoken, accent: Accent) => {
  const { reasoning = [], content = [], calls = [] } = spoken;
  const thought = reasoning.join('');
  const toolCalls = calls.map(({ id, name, pieces }) => ({
    id,
    type: 'function',
    function: { name, arguments: pieces.join('') },
  }));
  const text = content.length > 0 ? content.join('') : null;
  return accent === 'vllm'
    ? { role: 'assistant', content: text, refusal: null, tool_calls: toolCalls, reasoning: thought || null }
    : {
        role: 'assistant',
        content: text,
        ...(thought && { reasoning_content: thought }),
        ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
      };
};

const deltasOf = ({ reasoning = [], content = [], calls = [] }: Spoken, accent: Accent): object[] => {
  const thought = accent === 'vllm' ? 'reasoning' : 'reasoning_content';
  return [
    { role: 'assistant', content: accent === 'vllm' ? '' : null },
    ...reasoning.map((text) => ({ [thought]: text })),
    ...content.map((text) => ({ content: text })),
    ...calls.flatMap(({ id, name, pieces }, index) => [
      { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] },
      ...pieces.map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] })),
    ]),
  ];
};

/** A chat completion as the server answers it: streamed, and with usage, where the request asks for that. */
export const chatAnswer = (
  fields: Readonly<Record<string, unknown>>,
  spoken: Spoken,
  { accent, name }: { readonly accent: Accent; readonly name: string },
): Answer => {
  const base = { id: `chatcmpl-${name}`, created, model: String(fields.model ?? 'default') };
  const finish_reason = finishOf(spoken);
  const ending = accent === 'vllm' ? { finish_reason, stop_reason: spoken.stop ?? null } : { finish_reason };
  const measured = accent === 'llamacpp' ? { timings } : {};
  if (fields.stream !== true) {
    const choices = [{ index: 0, message: messageOf(spoken, accent), logprobs: null, ...ending }];
    return jsonAnswer({ ...base, object: 'chat.completion', choices, usage: usageOf(spoken), ...measured });
  }
  const chunk = (choices: unknown[], rest: object = {}): SseEvent => ({
    data: { ...base, object: 'chat.completion.chunk', choices, ...rest },
  });
  const wantsUsage = (fields.stream_options as { include_usage?: boolean } | undefined)?.include_usage === true;
  const events = [
    ...deltasOf(spoken, accent).map((delta) => chunk([{ index: 0, delta, logprobs: null, finish_reason: null }])),
    chunk([{ index: 0, delta: accent === 'vllm' ? { content: '' } : {}, logprobs: null, ...ending }]),
    ...(wantsUsage ? [chunk([], { usage: usageOf(spoken), ...measured })] : []),
    { data: '[DONE]' },
  ];
  return sseAnswer(events, wantsUsage ? 3 : 2);
};
