import { readObject } from '../json.ts';
import { believed, bodyOf, bodySign, type Engine, isOk, serving, type WorkSource } from './engine.ts';
import { isOwnedBy, readOpenAIModels } from './model-list.ts';
import { countIn, sumOf } from './prometheus.ts';

const serverLoad = (body: string): number | undefined => {
  const load = readObject(body)?.server_load;
  return typeof load === 'number' && load >= 0 ? load : undefined;
};

/**
 * Gauges and counters of the V1 engine (`vllm/v1/metrics/loggers.py`), a series for each engine of the process, and of
 * the successes for each `finished_reason`; all of them are there, at 0, from the start. A request whose client left is
 * not among the successes, but its prompt's tokens are counted.
 */
export const vllmWork: WorkSource = {
  paths: ['/metrics'],
  read: (answers) => {
    const body = bodyOf(answers, '/metrics') ?? '';
    const running = countIn(body, 'vllm:num_requests_running');
    const waiting = countIn(body, 'vllm:num_requests_waiting');
    const finished = countIn(body, 'vllm:request_success_total');
    if (running === undefined || waiting === undefined || finished === undefined) return undefined;
    return believed({ running, waiting, served: finished + (countIn(body, 'vllm:prompt_tokens_total') ?? 0) });
  },
};

/**
 * vLLM's OpenAI server. `/load` is one counter in the API process and costs nothing, but it answers 0 for ever unless
 * the server was started with `--enable-server-load-tracking`: a zero there is checked against `/metrics`, which the
 * engine has to render (100 KB on a busy server) and which tells running from waiting.
 *
 * `/tokenize` and `/detokenize` stand outside `/v1`; there is no `input_tokens` (its PR 49794 is open). `/is_sleeping`
 * exists only in development mode, which `/sleep` needs as well, and `/health` is 200 all the while. A request to a
 * sleeping engine ended it (vLLM 15483, 14311); since `EngineCore.sleep` pauses the scheduler it waits, for ever if
 * nobody wakes the engine. `POST /wake_up` answers when it is awake.
 *
 * Source: vLLM main as of August 2026, `vllm/entrypoints/anthropic/api_router.py`,
 * `vllm/entrypoints/serve/{tokenize,dev/sleep}/api_router.py`, "Online Serving", metrics names of the V1 engine.
 */
export const vllm: Engine = {
  name: 'vllm',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'count_tokens',
    'transcription',
    'translation',
    'rerank',
    'tokenize',
    'detokenize',
    'realtime',
  ),
  paths: { tokenize: '/tokenize', detokenize: '/detokenize' },
  hasDefaultModel: true,
  healthPath: '/health',
  modelsPaths: ['/v1/models'],
  readModels: readOpenAIModels,
  loadSources: [
    {
      path: '/load',
      zeroIsDoubtful: true,
      read: (body) => {
        const running = serverLoad(body);
        return running === undefined ? undefined : { running, waiting: 0 };
      },
    },
    {
      path: '/metrics',
      read: (body) => {
        const running = sumOf(body, 'vllm:num_requests_running');
        return running === undefined ? undefined : { running, waiting: sumOf(body, 'vllm:num_requests_waiting') ?? 0 };
      },
    },
  ],
  sleep: {
    path: '/is_sleeping',
    wakesItself: false,
    wakePath: '/wake_up',
    read: (body) => {
      const sleeps = readObject(body)?.is_sleeping;
      return typeof sleeps === 'boolean' ? sleeps : undefined;
    },
  },
  loaded: 'all',
  signs: [
    {
      paths: ['/v1/models'],
      matches: (answers) => {
        const list = answers.get('/v1/models');
        return isOk(list) && isOwnedBy(list, 'vllm');
      },
    },
    // Not `/metrics`: it would keep a llama.cpp awake that is asked the same.
    bodySign('/load', (body) => serverLoad(body) !== undefined),
  ],
};
