import fc from 'fast-check';
import type { Fields } from '../../../../lib/translation/translation.ts';

/** What clients ask and what workers say, for properties that hold whatever it is. */

const { array, constantFrom, oneof, option, record, constant, tuple } = fc;
const text = oneof(
  constantFrom('', 'Hi', 'Grüße 🦙', '"\\\n\u2028', '</think>', 'data: [DONE]\n\n'),
  fc.string({ maxLength: 8 }),
);
const word = constantFrom('weather', 'find_place', 'a');
const id = constantFrom('call_1', 'toolu_2', 'x');
const number = oneof(constantFrom(0, 1, 0.5), fc.double({ min: 0, max: 1, noNaN: true }));
const whole = fc.integer({ min: 1, max: 1000 });
const maybe = <T>(value: fc.Arbitrary<T>) => option(value, { nil: undefined });
/** Without the fields that are left out. */
const some = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }, required: readonly (keyof T)[] = []) =>
  record(fields, { requiredKeys: [...required] as never }) as fc.Arbitrary<Fields>;
const schema = constantFrom(
  { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  { type: 'object', properties: {}, additionalProperties: false },
);
const openSchema = constant({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] });
const args = constantFrom({}, { city: 'Köln' }, { n: 1, nested: { list: [1, null] } });
const PIXEL = 'iVBORw0KGgo=';

// -- Anthropic

const anthropicText = some({ type: constant('text'), text, cache_control: constant({ type: 'ephemeral' }) }, [
  'type',
  'text',
]);
const anthropicImage = record({
  type: constant('image'),
  source: oneof(
    record({ type: constant('base64'), media_type: constantFrom('image/png', 'image/webp'), data: constant(PIXEL) }),
    record({ type: constant('url'), url: constant('https://pictures/1.png') }),
  ),
});
const anthropicResult = some(
  {
    type: constant('tool_result'),
    tool_use_id: id,
    content: oneof(text, array(oneof(anthropicText, anthropicImage), { maxLength: 2 })),
    is_error: fc.boolean(),
  },
  ['type', 'tool_use_id'],
);
const anthropicDocument = record({
  type: constant('document'),
  title: text,
  source: record({ type: constant('text'), media_type: constant('text/plain'), data: text }),
});
const anthropicUser = oneof(
  text,
  array(oneof(anthropicText, anthropicImage, anthropicResult, anthropicDocument), { maxLength: 4 }),
);
const anthropicAssistant = oneof(
  text,
  array(
    oneof(
      anthropicText,
      record({ type: constant('thinking'), thinking: text, signature: constant('s') }),
      record({ type: constant('tool_use'), id, name: word, input: args }),
    ),
    { maxLength: 4 },
  ),
);
export const messagesRequest = some(
  {
    model: constant('m'),
    max_tokens: whole,
    messages: array(
      oneof(
        record({ role: constant('user'), content: anthropicUser }),
        record({ role: constant('assistant'), content: anthropicAssistant }),
        record({ role: constant('system'), content: text }),
      ),
      { maxLength: 5 },
    ),
    system: oneof(text, array(anthropicText, { maxLength: 3 })),
    stream: fc.boolean(),
    temperature: number,
    top_p: number,
    top_k: whole,
    stop_sequences: array(constantFrom('END', '\n'), { maxLength: 2 }),
    metadata: constant({ user_id: 'u' }),
    thinking: oneof(
      record({ type: constant('enabled'), budget_tokens: constant(1024) }),
      record({ type: constantFrom('disabled', 'adaptive') }),
    ),
    output_config: some({
      effort: constantFrom('low', 'medium', 'high', 'xhigh', 'max'),
      format: record({ type: constant('json_schema'), schema }),
    }),
    tools: array(
      some({ name: word, description: text, input_schema: schema, strict: fc.boolean() }, ['name', 'input_schema']),
      {
        maxLength: 2,
      },
    ),
    tool_choice: oneof(
      some({ type: constantFrom('auto', 'any'), disable_parallel_tool_use: fc.boolean() }, ['type']),
      constant({ type: 'none' }),
      record({ type: constant('tool'), name: word }),
    ),
  },
  ['model', 'max_tokens', 'messages'],
);

// -- Ollama

const ollamaMessage = oneof(
  some({ role: constantFrom('user', 'system'), content: text, images: array(constant(PIXEL), { maxLength: 2 }) }, [
    'role',
    'content',
  ]),
  some(
    {
      role: constant('assistant'),
      content: text,
      thinking: text,
      tool_calls: array(record({ function: record({ name: word, arguments: args }) }), { maxLength: 2 }),
    },
    ['role', 'content'],
  ),
  some({ role: constant('tool'), content: text, tool_name: word }, ['role', 'content']),
);
const ollamaCommon = {
  model: constant('m'),
  stream: fc.boolean(),
  format: oneof(constant('json'), schema),
  think: oneof(fc.boolean(), constantFrom('low', 'medium', 'high')),
  keep_alive: constantFrom('5m', 0),
  logprobs: fc.boolean(),
  top_logprobs: fc.integer({ min: 0, max: 5 }),
  options: some({
    temperature: number,
    top_p: number,
    top_k: whole,
    min_p: number,
    seed: whole,
    num_predict: constantFrom(-1, 64),
    num_ctx: whole,
    repeat_penalty: number,
    repeat_last_n: whole,
    presence_penalty: number,
    frequency_penalty: number,
    stop: array(constantFrom('END'), { maxLength: 1 }),
  }),
};
export const ollamaChatRequest = some(
  {
    ...ollamaCommon,
    messages: array(ollamaMessage, { minLength: 1, maxLength: 5 }),
    tools: array(
      record({
        type: constant('function'),
        function: record({ name: word, description: text, parameters: openSchema }),
      }),
      { maxLength: 2 },
    ),
  },
  ['model', 'messages'],
);
export const ollamaGenerateRequest = some(
  { ...ollamaCommon, prompt: text, system: text, images: array(constant(PIXEL), { maxLength: 2 }) },
  ['model', 'prompt'],
);
export const ollamaEmbedRequest = some(
  {
    model: constant('m'),
    input: oneof(text, array(text, { minLength: 1, maxLength: 3 })),
    truncate: fc.boolean(),
    dimensions: whole,
  },
  ['model', 'input'],
);

// -- Responses

const inputParts = array(
  oneof(
    record({ type: constant('input_text'), text }),
    record({
      type: constant('input_image'),
      image_url: constant('https://pictures/1.png'),
      detail: constantFrom('low', 'auto'),
    }),
  ),
  { maxLength: 3 },
);
const inputItem = oneof(
  record({
    type: constant('message'),
    role: constantFrom('user', 'system', 'developer'),
    content: oneof(text, inputParts),
  }),
  record({ role: constant('assistant'), content: text }),
  record({
    type: constant('message'),
    id: constant('msg_1'),
    role: constant('assistant'),
    status: constant('completed'),
    content: array(
      oneof(
        record({ type: constant('output_text'), text, annotations: constant([]), logprobs: constant([]) }),
        record({ type: constant('refusal'), refusal: text }),
      ),
      { maxLength: 2 },
    ),
  }),
  record({
    type: constant('function_call'),
    call_id: id,
    name: word,
    arguments: args.map((one) => JSON.stringify(one)),
  }),
  record({ type: constant('function_call_output'), call_id: id, output: oneof(text, inputParts) }),
  record({ type: constant('custom_tool_call'), call_id: id, name: word, input: text }),
  record({ type: constant('custom_tool_call_output'), call_id: id, output: text }),
  record({
    type: constant('reasoning'),
    id: constant('rs_1'),
    summary: array(record({ type: constant('summary_text'), text }), { maxLength: 2 }),
  }),
);
export const responsesRequest = some(
  {
    model: constant('m'),
    input: oneof(text, array(inputItem, { maxLength: 6 })),
    instructions: text,
    stream: fc.boolean(),
    store: constant(false),
    temperature: number,
    top_p: number,
    max_output_tokens: whole,
    parallel_tool_calls: fc.boolean(),
    top_logprobs: fc.integer({ min: 0, max: 5 }),
    include: array(constantFrom('message.output_text.logprobs', 'reasoning.encrypted_content'), { maxLength: 2 }),
    metadata: constant({ a: 'b' }),
    reasoning: some({
      effort: constantFrom('none', 'minimal', 'low', 'high'),
      summary: constantFrom('auto', 'detailed'),
    }),
    text: some({
      verbosity: constantFrom('low', 'high'),
      format: oneof(
        record({ type: constantFrom('text', 'json_object') }),
        some({ type: constant('json_schema'), name: word, schema, strict: fc.boolean() }, ['type', 'name', 'schema']),
      ),
    }),
    tools: array(
      oneof(
        some({ type: constant('function'), name: word, description: text, parameters: schema, strict: fc.boolean() }, [
          'type',
          'name',
          'parameters',
          'strict',
        ]),
        some({ type: constant('custom'), name: word, description: text }, ['type', 'name']),
      ),
      { maxLength: 2 },
    ),
    tool_choice: oneof(constantFrom('auto', 'none', 'required'), record({ type: constant('function'), name: word })),
  },
  ['model'],
).map((request) => ({ input: 'Hi', ...request }));

// -- What workers say

interface Said {
  readonly reasoning: readonly string[];
  readonly content: readonly string[];
  readonly refusal: string | undefined;
  readonly calls: readonly { readonly name: string; readonly args: object; readonly id: string | undefined }[];
  readonly finish: string;
  readonly accent: 'reasoning' | 'reasoning_content';
}
const spoken: fc.Arbitrary<Said> = record({
  reasoning: array(text, { maxLength: 3 }),
  content: array(text, { maxLength: 3 }),
  refusal: maybe(constant('No.')),
  calls: array(record({ name: word, args, id: maybe(fc.uuid()) }), { maxLength: 3 }),
  finish: constantFrom('stop', 'length', 'tool_calls', 'content_filter'),
  accent: constantFrom('reasoning', 'reasoning_content'),
});
const usage = {
  prompt_tokens: 9,
  completion_tokens: 5,
  total_tokens: 14,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 2 },
};
const base = { id: 'chatcmpl-1', created: 1, model: 'm' };

/** A whole chat completion. */
export const completion: fc.Arbitrary<Fields> = spoken.map(
  ({ reasoning, content, refusal, calls, finish, accent }) => ({
    ...base,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: content.length > 0 ? content.join('') : null,
          refusal: refusal ?? null,
          [accent]: reasoning.join(''),
          tool_calls: calls.map((call) => ({
            ...(call.id !== undefined && { id: call.id }),
            type: 'function',
            function: { name: call.name, arguments: JSON.stringify(call.args) },
          })),
        },
        finish_reason: finish,
      },
    ],
    usage,
  }),
);

const halves = (words: string): readonly string[] => [words.slice(0, words.length / 2), words.slice(words.length / 2)];

/** How servers differ in what comes around an answer's words. */
const manner = record({
  /** Where the usage stands: in an event of its own, beside the last choice, nowhere. */
  usage: constantFrom('apart', 'beside', 'none'),
  isDone: fc.boolean(),
  lineEnd: constantFrom('\n', '\r\n'),
  comments: fc.boolean(),
  /** Calls one after the other, or in turns. */
  areMixed: fc.boolean(),
});

/** A chat completion's events as bytes, each with what a strict reader takes for it. */
export interface Spoken {
  readonly bytes: Buffer;
  /** Bytes up to the end of the event with the `finish_reason`. */
  readonly finishedAt: number;
}

export const chatStream: fc.Arbitrary<Spoken> = tuple(spoken, manner).map(([said, how]) => {
  const chunk = (delta: object, rest: object = {}) => ({
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: null, ...rest }],
  });
  const call = (index: number, piece: object) => chunk({ tool_calls: [{ index, ...piece }] });
  const opening = said.calls.map(({ name, id: callId }, index) =>
    call(index, { ...(callId !== undefined && { id: callId }), type: 'function', function: { name, arguments: '' } }),
  );
  const pieces = said.calls.map(({ args: all }, index) =>
    halves(JSON.stringify(all)).map((piece) => call(index, { function: { arguments: piece } })),
  );
  const calls = how.areMixed
    ? [...opening, ...pieces.map(([one]) => one), ...pieces.map(([, other]) => other)]
    : opening.flatMap((one, index) => [one, ...(pieces[index] ?? [])]);
  const before = [
    chunk({ role: 'assistant', content: '' }),
    ...said.reasoning.map((words) => chunk({ [said.accent]: words })),
    ...said.content.map((words) => chunk({ content: words })),
    ...(said.refusal === undefined ? [] : [chunk({ refusal: said.refusal })]),
    ...calls,
  ];
  const last = { ...chunk({}, { finish_reason: said.finish }), ...(how.usage === 'beside' && { usage }) };
  const after = how.usage === 'apart' ? [{ ...chunk({}), choices: [], usage }] : [];
  const end = how.lineEnd + how.lineEnd;
  const framed = (events: readonly unknown[]) =>
    events.map((event) => `${how.comments ? `: busy${end}` : ''}data: ${JSON.stringify(event)}${end}`).join('');
  const finished = Buffer.from(framed([...before, last]));
  const done = how.isDone ? `data: [DONE]${end}` : '';
  return { bytes: Buffer.concat([finished, Buffer.from(framed(after) + done)]), finishedAt: finished.length };
});
