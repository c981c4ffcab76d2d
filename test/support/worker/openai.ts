import { type Answer, type Asked, jsonAnswer, type SseEvent, sseAnswer, wordsOf } from './answer.ts';

const created = 1_760_000_000;
const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };

const modelOf = (asked: Asked): string => {
  const inPath = /^\/v1\/engines\/(.+)\/(?:completions|embeddings)$/.exec(asked.path)?.[1];
  return String(asked.fields.model ?? inPath ?? asked.models[0] ?? 'default');
};

interface Tool {
  readonly name?: string;
  readonly function?: { readonly name: string };
}
const toolOf = (asked: Asked): string | undefined => {
  const [tool] = (asked.fields.tools as Tool[] | undefined) ?? [];
  return tool?.function?.name ?? tool?.name;
};
const toolArguments = (asked: Asked) => JSON.stringify({ city: 'Köln', by: asked.name });

const chat = (asked: Asked): Answer => {
  const base = {
    id: `chatcmpl-${asked.name}`,
    created,
    model: modelOf(asked),
    system_fingerprint: `fp_${asked.name}`,
  };
  const tool = toolOf(asked);
  const finish = tool ? 'tool_calls' : 'stop';
  if (asked.fields.stream !== true) {
    const message = tool
      ? {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: tool, arguments: toolArguments(asked) } }],
        }
      : { role: 'assistant', content: wordsOf(asked.name).join('') };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }];
    return jsonAnswer({ ...base, object: 'chat.completion', choices, usage });
  }
  const chunk = (delta: unknown, finish_reason: string | null = null): SseEvent => ({
    data: { ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] },
  });
  const call = (part: object) => chunk({ tool_calls: [{ index: 0, ...part }] });
  const content = tool
    ? [
        call({ id: 'call_1', type: 'function', function: { name: tool, arguments: '' } }),
        ...toolArguments(asked)
          .split(/(?<=,)/u)
          .map((text) => call({ function: { arguments: text } })),
      ]
    : wordsOf(asked.name).map((text) => chunk({ content: text }));
  const options = asked.fields.stream_options as { include_usage?: boolean } | undefined;
  const summary: SseEvent[] = options?.include_usage
    ? [{ data: { ...base, object: 'chat.completion.chunk', choices: [], usage } }]
    : [];
  const endings = [chunk({}, finish), ...summary, { data: '[DONE]' }];
  return sseAnswer([chunk({ role: 'assistant', content: '' }), ...content, ...endings], endings.length);
};

const completions = (asked: Asked): Answer => {
  const base = { id: `cmpl-${asked.name}`, object: 'text_completion', created, model: modelOf(asked) };
  if (asked.fields.stream !== true) {
    const choices = [{ index: 0, text: wordsOf(asked.name).join(''), logprobs: null, finish_reason: 'stop' }];
    return jsonAnswer({ ...base, choices, usage });
  }
  const chunk = (text: string, finish_reason: string | null = null): SseEvent => ({
    data: { ...base, choices: [{ index: 0, text, logprobs: null, finish_reason }] },
  });
  return sseAnswer([...wordsOf(asked.name).map((text) => chunk(text)), chunk('', 'stop'), { data: '[DONE]' }], 2);
};

/** Eight numbers that depend on the text alone, exactly representable as float32. */
const vectorOf = (text: string): number[] => {
  const sums = new Array<number>(8).fill(0);
  for (const [at, byte] of Buffer.from(text).entries()) sums[at % 8] = ((sums[at % 8] ?? 0) * 31 + byte) % 1024;
  return sums.map((sum) => sum / 1024);
};

const embeddings = (asked: Asked): Answer => {
  const { input, encoding_format } = asked.fields;
  const texts = Array.isArray(input) ? input : [input];
  const encode = (vector: number[]) =>
    encoding_format === 'base64' ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector;
  return jsonAnswer({
    object: 'list',
    data: texts.map((text, index) => ({ object: 'embedding', index, embedding: encode(vectorOf(String(text))) })),
    model: modelOf(asked),
    usage: { prompt_tokens: 7, total_tokens: 7 },
    served_by: asked.name,
  });
};

const responses = (asked: Asked): Answer => {
  const text = wordsOf(asked.name).join('');
  const tool = toolOf(asked);
  const base = {
    id: `resp_${asked.name}`,
    object: 'response',
    created_at: created,
    model: modelOf(asked),
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: asked.fields.tools ?? [],
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    temperature: 1,
    top_p: 1,
  };
  const item = tool
    ? {
        type: 'function_call',
        id: 'fc_1',
        call_id: 'call_1',
        name: tool,
        arguments: toolArguments(asked),
        status: 'completed',
      }
    : {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text, annotations: [] }],
      };
  const complete = {
    ...base,
    status: 'completed',
    output: [item],
    usage: {
      input_tokens: 7,
      output_tokens: 5,
      total_tokens: 12,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 0 },
    },
  };
  if (asked.fields.stream !== true) return jsonAnswer(complete);
  const typed = (type: string, rest: object) => ({ event: type, data: { type, ...rest } });
  const started = { ...base, status: 'in_progress', output: [] };
  const where = { output_index: 0, content_index: 0, item_id: item.id };
  const empty = { type: 'output_text', text: '', annotations: [] };
  const content = tool
    ? [
        typed('response.output_item.added', {
          output_index: 0,
          item: { ...item, arguments: '', status: 'in_progress' },
        }),
        typed('response.function_call_arguments.delta', {
          item_id: item.id,
          output_index: 0,
          delta: toolArguments(asked),
        }),
        typed('response.function_call_arguments.done', {
          item_id: item.id,
          output_index: 0,
          name: tool,
          arguments: toolArguments(asked),
        }),
      ]
    : [
        typed('response.output_item.added', { output_index: 0, item: { ...item, content: [], status: 'in_progress' } }),
        typed('response.content_part.added', { ...where, part: empty }),
        ...wordsOf(asked.name).map((delta) => typed('response.output_text.delta', { ...where, delta, logprobs: [] })),
        typed('response.output_text.done', { ...where, text, logprobs: [] }),
        typed('response.content_part.done', { ...where, part: { ...empty, text } }),
      ];
  const events = [
    typed('response.created', { response: started }),
    typed('response.in_progress', { response: started }),
    ...content,
    typed('response.output_item.done', { output_index: 0, item }),
    typed('response.completed', { response: complete }),
  ];
  const numbered = events.map(({ event, data: { type, ...rest } }, sequence_number): SseEvent => {
    return { event, data: { type, sequence_number, ...rest } };
  });
  return sseAnswer(numbered, 1);
};

const models = (asked: Asked): Answer =>
  jsonAnswer({
    object: 'list',
    data: asked.models.map((id) => ({ id, object: 'model', created, owned_by: asked.owner })),
  });

/** Answers of an OpenAI-compatible server for its text endpoints; undefined for other paths. */
export const openaiAnswer = (asked: Asked): Answer | undefined => {
  if (asked.method === 'GET') return asked.path === '/v1/models' ? models(asked) : undefined;
  if (asked.method !== 'POST') return undefined;
  if (asked.path === '/v1/chat/completions') return chat(asked);
  if (asked.path === '/v1/responses') return responses(asked);
  if (/^(\/v1)?\/tokenize$/.test(asked.path)) return jsonAnswer({ tokens: [1, 2, 3], by: asked.name });
  if (/^(\/v1)?\/detokenize$/.test(asked.path)) return jsonAnswer({ content: 'Once', by: asked.name });
  if (asked.path === '/v1/moderations') {
    return jsonAnswer({
      id: `modr-${asked.name}`,
      model: modelOf(asked),
      results: [{ flagged: false, categories: {} }],
    });
  }
  if (/^\/v1\/(chat\/completions|responses)\/input_tokens$/.test(asked.path)) {
    return jsonAnswer({ object: 'response.input_tokens', input_tokens: 7, by: asked.name });
  }
  if (/^\/v1\/(?:engines\/.+\/)?completions$/.test(asked.path)) return completions(asked);
  if (/^\/v1\/(?:engines\/.+\/)?embeddings$/.test(asked.path)) return embeddings(asked);
  return undefined;
};
