import { createHash } from 'node:crypto';
import { type Answer, type Asked, jsonAnswer, ndjsonAnswer, textAnswer, wordsOf } from './answer.ts';

const digestOf = (name: string) => createHash('sha256').update(name).digest('hex');
const created_at = '2026-01-02T03:04:05.678901Z';
const details = {
  parent_model: '',
  format: 'gguf',
  family: 'llama',
  families: ['llama'],
  parameter_size: '1B',
  quantization_level: 'Q4_0',
};
const figures = {
  total_duration: 5_000_000,
  load_duration: 1_000_000,
  prompt_eval_count: 7,
  prompt_eval_duration: 1_000_000,
  eval_count: 5,
  eval_duration: 3_000_000,
};

interface Tool {
  readonly function: { readonly name: string };
}

const generation = (asked: Asked): Answer => {
  const ofChat = asked.path === '/api/chat';
  const [tool] = (asked.fields.tools as Tool[] | undefined) ?? [];
  const base = { model: String(asked.fields.model), created_at };
  const call = tool && [{ function: { name: tool.function.name, arguments: { city: 'Köln', by: asked.name } } }];
  const piece = (text: string) =>
    ofChat ? { message: { role: 'assistant', content: text, ...(call && { tool_calls: call }) } } : { response: text };
  const texts = call ? [''] : wordsOf(asked.name);
  const done = { done: true, done_reason: 'stop', ...figures };
  if (asked.fields.stream === false) return jsonAnswer({ ...base, ...piece(texts.join('')), ...done });
  const last = ofChat ? { message: { role: 'assistant', content: '' } } : { response: '' };
  return ndjsonAnswer([
    ...texts.map((text) => ({ ...base, ...piece(text), done: false })),
    { ...base, ...last, ...done },
  ]);
};

const embed = (asked: Asked): Answer => {
  if (asked.path === '/api/embeddings') return jsonAnswer({ embedding: [0.25, 0.5, 0.75], served_by: asked.name });
  const inputs = Array.isArray(asked.fields.input) ? asked.fields.input : [asked.fields.input];
  return jsonAnswer({
    model: asked.fields.model,
    embeddings: inputs.map((_, at) => [at, 0.5, 0.75]),
    total_duration: 5_000_000,
    prompt_eval_count: 7,
    served_by: asked.name,
  });
};

const tags = (asked: Asked): Answer =>
  jsonAnswer({
    models: asked.models.map((model) => {
      const name = model.includes(':') ? model : `${model}:latest`;
      return { name, model: name, modified_at: created_at, size: 1_000_000, digest: digestOf(name), details };
    }),
  });

const running = (asked: Asked): Answer =>
  jsonAnswer({
    models: asked.models.slice(0, 1).map((model) => ({
      name: model,
      model,
      size: 1_000_000,
      digest: digestOf(model),
      details,
      expires_at: created_at,
      size_vram: 1_000_000,
    })),
  });

const show = (): Answer =>
  jsonAnswer({
    modelfile: '# stand-in',
    parameters: '',
    template: '{{ .Prompt }}',
    details,
    model_info: { 'general.architecture': 'llama' },
    capabilities: ['completion', 'tools'],
  });

const posts: Readonly<Record<string, (asked: Asked) => Answer>> = {
  '/api/chat': generation,
  '/api/generate': generation,
  '/api/embed': embed,
  '/api/embeddings': embed,
  '/api/show': show,
};
const gets: Readonly<Record<string, (asked: Asked) => Answer>> = {
  '/api/tags': tags,
  '/api/ps': running,
  '/api/version': () => jsonAnswer({ version: '0.12.6' }),
  '/': () => textAnswer('Ollama is running'),
};

/** Answers of Ollama's POST endpoints; undefined for other paths. */
export const ollamaAnswer = (asked: Asked): Answer | undefined =>
  asked.method === 'POST' ? posts[asked.path]?.(asked) : undefined;

/** What gives an Ollama server away, and its model lists. */
export const ollamaLists = (asked: Asked): Answer | undefined => gets[asked.path]?.(asked);
