import { type Answer, type Asked, jsonAnswer, textAnswer } from './answer.ts';
import { ollamaLists } from './ollama.ts';
import { openaiAnswer } from './openai.ts';

/** Whose health and load endpoints a stand-in has. */
export type EngineName = 'localai' | 'vllm' | 'llamacpp' | 'ollama' | 'openai';

/** What a stand-in reports about itself. */
export interface ReportedState {
  readonly healthy: boolean;
  readonly running: number;
  readonly waiting: number;
  /** Requests it has been through with since it started. */
  readonly served: number;
  /** Requests it can work on at once. */
  readonly slots: number;
}

const ok = jsonAnswer({ status: 'ok' });
const unavailable = (message: string) => jsonAnswer({ error: { code: 503, message, type: 'unavailable_error' } }, 503);
const prometheus = (lines: readonly string[]) =>
  textAnswer(`${lines.join('\n')}\n`, 'text/plain; version=0.0.4; charset=utf-8');

type Probe = (state: ReportedState, asked: Asked) => Answer;

const emptyOk: Answer = { status: 200, headers: {}, parts: [Buffer.alloc(0)], terminal: 1, streamed: false };

const vllmMetrics: Probe = ({ running, waiting, served }, { models }) => {
  const names = `engine="0",model_name="${models[0] ?? 'default'}"`;
  const labels = `{${names}}`;
  return prometheus([
    '# HELP vllm:num_requests_running Number of requests in model execution batches.',
    '# TYPE vllm:num_requests_running gauge',
    `vllm:num_requests_running${labels} ${running.toFixed(1)}`,
    '# TYPE vllm:num_requests_waiting gauge',
    `vllm:num_requests_waiting${labels} ${waiting.toFixed(1)}`,
    '# TYPE vllm:kv_cache_usage_perc gauge',
    `vllm:kv_cache_usage_perc${labels} 0.125`,
    '# TYPE vllm:request_success_total counter',
    ...['stop', 'length', 'abort', 'error'].map(
      (reason) =>
        `vllm:request_success_total{${names},finished_reason="${reason}"} ${(reason === 'stop' ? served : 0).toFixed(1)}`,
    ),
  ]);
};

const llamaMetrics: Probe = ({ running, waiting, served }) =>
  prometheus([
    '# TYPE llamacpp:tokens_predicted_total counter',
    `llamacpp:tokens_predicted_total ${served * 5}`,
    '# TYPE llamacpp:requests_processing gauge',
    `llamacpp:requests_processing ${running}`,
    '# TYPE llamacpp:requests_deferred gauge',
    `llamacpp:requests_deferred ${waiting}`,
  ]);

/** Each tells its last task, once it had one. */
const llamaSlots: Probe = ({ running, served, slots }) =>
  jsonAnswer(
    Array.from({ length: slots }, (_, id) => {
      const isUsed = id < running || id < served;
      return { id, n_ctx: 4096, is_processing: id < running, ...(isUsed && { id_task: served + running - 1 }) };
    }),
  );

const healthOr =
  (alive: Answer, message: string): Probe =>
  ({ healthy }) =>
    healthy ? alive : unavailable(message);

const alive =
  (answer: (asked: Asked) => Answer | undefined): Probe =>
  ({ healthy }, asked) =>
    (healthy ? answer(asked) : undefined) ?? unavailable('stopping');

/** Ollama and plain OpenAI servers have no health path of their own: what is asked instead is their cheapest GET. */
const engines: Readonly<Record<EngineName, Readonly<Record<string, Probe>>>> = {
  localai: {
    '/readyz': healthOr(textAnswer('OK'), 'not ready'),
    '/healthz': healthOr(textAnswer('OK'), 'not healthy'),
    '/.well-known/localai.json': () => jsonAnswer({ version: 'v4.9.0', endpoints: { chat: '/v1/chat/completions' } }),
    '/api/version': () => jsonAnswer({ version: '0.9.0' }),
    '/api/tags': (_, asked) => ollamaLists(asked) ?? unavailable('stopping'),
    '/api/ps': (_, asked) => ollamaLists(asked) ?? unavailable('stopping'),
    '/system': (_, { models }) => jsonAnswer({ backends: ['llama-cpp'], loaded_models: models.map((id) => ({ id })) }),
  },
  vllm: {
    '/health': healthOr(emptyOk, 'engine dead'),
    '/version': () => jsonAnswer({ version: '0.11.0' }),
    '/load': ({ running, waiting }) => jsonAnswer({ server_load: running + waiting }),
    '/metrics': vllmMetrics,
  },
  llamacpp: {
    '/health': healthOr(ok, 'Loading model'),
    '/props': ({ slots }) => jsonAnswer({ default_generation_settings: {}, total_slots: slots, model_path: '/m.gguf' }),
    '/slots': llamaSlots,
    '/metrics': llamaMetrics,
  },
  ollama: {
    '/': alive(ollamaLists),
    '/api/version': alive(ollamaLists),
    '/api/tags': alive(ollamaLists),
    '/api/ps': alive(ollamaLists),
  },
  openai: {
    '/healthz': healthOr(ok, 'not healthy'),
    '/v1/models': alive(openaiAnswer),
  },
};

/** What each engine's model list says owns the models. */
export const ownerOf: Readonly<Record<EngineName, string>> = {
  localai: '',
  vllm: 'vllm',
  llamacpp: 'llamacpp',
  ollama: 'library',
  openai: 'organization-owner',
};

/** What an engine says on its health, identity and load paths; undefined when it does not have the path. */
export const engineAnswer = (engine: EngineName, state: ReportedState, asked: Asked): Answer | undefined =>
  asked.method === 'GET' || asked.method === 'HEAD' ? engines[engine][asked.path]?.(state, asked) : undefined;
