import type { SendOptions } from './http.ts';
import { wavOf } from './worker/media.ts';

/** An endpoint of docs/contract.md section 1 that reaches a worker, as a client calls it. */
export interface Operation {
  readonly name: string;
  /** The function that serves it. */
  readonly family: 'openai' | 'anthropic' | 'ollama' | 'audio' | 'images' | 'rerank' | 'vad';
  readonly dialect: 'openai' | 'anthropic' | 'ollama';
  /** The canonical path, then its aliases. `{model}` stands for the model, wherever it is. */
  readonly paths: readonly string[];
  /** What the worker is asked for; default the first of `paths`. */
  readonly canonical?: string;
  /** How it streams, where it does. */
  readonly streams?: 'sse' | 'ndjson' | 'binary';
  /** @returns a body a client would send, streamed or not. */
  readonly body: (model: string, stream?: boolean) => Exclude<SendOptions['body'], undefined>;
}

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Grüß Gott 🦙' },
];

type FormValue = string | Buffer;
const form = (fields: Readonly<Record<string, FormValue>>): FormData => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(value)], { type: 'application/octet-stream' }), `${name}.bin`);
  }
  return data;
};

const sound = wavOf('caller');

/** Every one of them. */
export const operations: readonly Operation[] = [
  {
    name: 'chat',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/chat/completions', '/chat/completions'],
    streams: 'sse',
    body: (model, stream) => ({ model, messages, ...(stream && { stream }) }),
  },
  {
    name: 'completions',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/completions', '/completions'],
    streams: 'sse',
    body: (model, stream) => ({ model, prompt: 'Once', ...(stream && { stream }) }),
  },
  {
    name: 'engine completions',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/engines/{model}/completions', '/engines/{model}/completions'],
    canonical: '/v1/completions',
    streams: 'sse',
    body: (model, stream) => ({ model, prompt: 'Once', ...(stream && { stream }) }),
  },
  {
    name: 'embeddings',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/embeddings', '/embeddings'],
    body: (model) => ({ model, input: ['a', 'b'] }),
  },
  {
    name: 'engine embeddings',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/engines/{model}/embeddings', '/engines/{model}/embeddings'],
    canonical: '/v1/embeddings',
    body: (model) => ({ model, input: 'a', encoding_format: 'base64' }),
  },
  {
    name: 'responses',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/responses', '/responses'],
    streams: 'sse',
    body: (model, stream) => ({ model, input: 'Hello', ...(stream && { stream }) }),
  },
  {
    name: 'tokenize',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/tokenize', '/tokenize'],
    body: (model) => ({ model, content: 'Once' }),
  },
  {
    name: 'detokenize',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/detokenize', '/detokenize'],
    body: (model) => ({ model, tokens: [1, 2, 3] }),
  },
  {
    name: 'moderation',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/moderations', '/moderations'],
    body: (model) => ({ model, input: 'Once' }),
  },
  {
    name: 'input tokens of a chat',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/chat/completions/input_tokens'],
    body: (model) => ({ model, messages }),
  },
  {
    name: 'input tokens of a response',
    family: 'openai',
    dialect: 'openai',
    paths: ['/v1/responses/input_tokens'],
    body: (model) => ({ model, input: 'Hello' }),
  },
  {
    name: 'messages',
    family: 'anthropic',
    dialect: 'anthropic',
    paths: ['/v1/messages', '/messages'],
    streams: 'sse',
    body: (model, stream) => ({ model, max_tokens: 16, messages: messages.slice(1), ...(stream && { stream }) }),
  },
  {
    name: 'count_tokens',
    family: 'anthropic',
    dialect: 'anthropic',
    paths: ['/v1/messages/count_tokens', '/messages/count_tokens'],
    body: (model) => ({ model, messages: messages.slice(1) }),
  },
  {
    name: 'ollama chat',
    family: 'ollama',
    dialect: 'ollama',
    paths: ['/api/chat'],
    streams: 'ndjson',
    body: (model, stream) => ({ model, messages, ...(!stream && { stream: false }) }),
  },
  {
    name: 'ollama generate',
    family: 'ollama',
    dialect: 'ollama',
    paths: ['/api/generate'],
    streams: 'ndjson',
    body: (model, stream) => ({ model, prompt: 'Once', ...(!stream && { stream: false }) }),
  },
  {
    name: 'ollama embed',
    family: 'ollama',
    dialect: 'ollama',
    paths: ['/api/embed'],
    body: (model) => ({ model, input: ['a'] }),
  },
  {
    name: 'ollama embeddings',
    family: 'ollama',
    dialect: 'ollama',
    paths: ['/api/embeddings'],
    body: (model) => ({ model, prompt: 'a' }),
  },
  {
    name: 'transcription',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/audio/transcriptions', '/audio/transcriptions'],
    streams: 'sse',
    body: (model, stream) => form({ file: sound, model, diarize: 'true', ...(stream && { stream: 'true' }) }),
  },
  {
    name: 'translation',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/audio/translations', '/audio/translations'],
    body: (model) => form({ model, response_format: 'verbose_json', file: sound }),
  },
  {
    name: 'diarization',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/audio/diarization', '/audio/diarization'],
    body: (model) => form({ file: sound, model }),
  },
  {
    name: 'audio classification',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/audio/classification', '/audio/classification'],
    body: (model) => form({ file: sound, model }),
  },
  {
    name: 'audio transformation',
    family: 'audio',
    dialect: 'openai',
    paths: ['/audio/transformations'],
    streams: 'binary',
    body: (model) => form({ audio: sound, model }),
  },
  {
    name: 'speech',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/audio/speech', '/audio/speech', '/tts'],
    streams: 'binary',
    body: (model) => ({ model, input: 'Hello', voice: 'alloy' }),
  },
  {
    name: 'text to speech',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/text-to-speech/rachel', '/text-to-speech/rachel'],
    streams: 'binary',
    body: (model) => ({ model_id: model, text: 'Hello' }),
  },
  {
    name: 'sound generation',
    family: 'audio',
    dialect: 'openai',
    paths: ['/v1/sound-generation', '/sound-generation'],
    streams: 'binary',
    body: (model) => ({ model_id: model, text: 'Rain' }),
  },
  {
    name: 'image generation',
    family: 'images',
    dialect: 'openai',
    paths: ['/v1/images/generations', '/images/generations'],
    body: (model) => ({ model, prompt: 'A llama', response_format: 'b64_json' }),
  },
  {
    name: 'inpainting',
    family: 'images',
    dialect: 'openai',
    paths: ['/v1/images/inpainting', '/images/inpainting'],
    body: (model) => form({ image: sound, mask: sound, model, prompt: 'A hat', response_format: 'b64_json' }),
  },
  {
    name: 'image edit',
    family: 'images',
    dialect: 'openai',
    paths: ['/v1/images/edits', '/images/edits'],
    body: (model) => form({ model, prompt: 'A hat', image: sound }),
  },
  {
    name: 'image variation',
    family: 'images',
    dialect: 'openai',
    paths: ['/v1/images/variations', '/images/variations'],
    body: (model) => form({ model, image: sound }),
  },
  {
    name: 'image upscale',
    family: 'images',
    dialect: 'openai',
    paths: ['/v1/images/upscale', '/images/upscale'],
    body: (model) => ({ model, image: 'AAAA' }),
  },
  {
    name: 'detection',
    family: 'images',
    dialect: 'openai',
    paths: ['/v1/detection', '/detection'],
    body: (model) => ({ model, image: 'AAAA' }),
  },
  {
    name: 'video',
    family: 'images',
    dialect: 'openai',
    paths: ['/video'],
    body: (model) => ({ model, prompt: 'A llama', response_format: 'b64_json' }),
  },
  {
    name: 'rerank',
    family: 'rerank',
    dialect: 'openai',
    paths: ['/v1/rerank', '/v1/reranking', '/v2/rerank', '/rerank', '/reranking'],
    body: (model) => ({ model, query: 'q', documents: ['a', 'b'] }),
  },
  {
    name: 'vad',
    family: 'vad',
    dialect: 'openai',
    paths: ['/v1/vad', '/vad'],
    body: (model) => ({ model, audio: [0, 0.5, -0.5, 0] }),
  },
];

/** @throws {Error} when there is none of that name */
export const operation = (name: string): Operation => {
  const found = operations.find((one) => one.name === name);
  if (!found) throw new Error(`no operation ${name}`);
  return found;
};

/** The path a worker sees. */
export const canonicalOf = ({ canonical, paths: [first = ''] }: Operation): string => canonical ?? first;

/** The path with its model in it. */
export const pathOf = ({ paths }: Operation, model: string, alias = 0): string =>
  (paths[alias] ?? '').replace('{model}', model);
