import { type Fields, isObject, readJson, readObject } from '../json.ts';
import {
  believed,
  bodyOf,
  bodySign,
  type Engine,
  isOk,
  type Load,
  serving,
  type Work,
  type WorkSource,
} from './engine.ts';
import { isOwnedBy, readOpenAIModels } from './model-list.ts';
import { countIn, sumOf, totalOf } from './prometheus.ts';

const readSlots = (body: string): Load | undefined => {
  const slots = readJson(body);
  if (!Array.isArray(slots) || slots.length === 0) return undefined;
  if (!slots.every((slot) => typeof slot?.is_processing === 'boolean')) return undefined;
  return { running: slots.filter((slot) => slot.is_processing).length, waiting: 0 };
};

/** What is running and was served, by `/slots`: each tells the number of its last task, and such numbers only grow. */
const slotsWork = (body: string): { readonly running: number; readonly served: number } | undefined => {
  const running = readSlots(body)?.running;
  if (running === undefined) return undefined;
  // A slot that had no task yet has no number, or -1.
  const tasks = (readJson(body) as Fields[]).map(({ id_task: task = -1 }) =>
    Number.isInteger(task) ? Number(task) : -2,
  );
  return { running, served: totalOf(tasks.map((task) => task + 1)) };
};

const metricsWork = (body: string): Work | undefined => {
  const running = countIn(body, 'llamacpp:requests_processing');
  if (running === undefined) return undefined;
  const served = ['prompt_tokens_total', 'tokens_predicted_total', 'n_decode_total'].reduce(
    (sum, name) => sum + (countIn(body, `llamacpp:${name}`) ?? 0),
    0,
  );
  return { running, waiting: countIn(body, 'llamacpp:requests_deferred') ?? 0, served };
};

/**
 * `/slots` tells the last task of each slot (`server-context.cpp`, `server_slot::to_json`), exactly. The counters of
 * `/metrics` are tokens and steps, and written with six digits (`server_task_result_metrics::to_metrics` prints
 * doubles): among ten million tokens a short request is not seen. But there are the requests that wait. Either may be
 * off; what is on must be sound.
 */
export const llamacppWork: WorkSource = {
  paths: ['/slots', '/metrics'],
  read: (answers) => {
    const [slots, metrics] = [bodyOf(answers, '/slots'), bodyOf(answers, '/metrics')];
    const bySlots = slots === undefined ? undefined : slotsWork(slots);
    const byMetrics = metrics === undefined ? undefined : metricsWork(metrics);
    if ((slots !== undefined && !bySlots) || (metrics !== undefined && !byMetrics)) return undefined;
    if (!bySlots && !byMetrics) return undefined;
    return believed({
      running: Math.max(bySlots?.running ?? 0, byMetrics?.running ?? 0),
      waiting: byMetrics?.waiting ?? 0,
      served: (bySlots?.served ?? 0) + (byMetrics?.served ?? 0),
    });
  },
};

const readSleep = (body: string): boolean | undefined => {
  const sleeps = readObject(body)?.is_sleeping;
  return typeof sleeps === 'boolean' ? sleeps : undefined;
};

const readCapabilities = (body: string): readonly string[] => {
  const props = readObject(body);
  const caps = isObject(props?.chat_template_caps) ? props.chat_template_caps : {};
  const modalities = isObject(props?.modalities) ? props.modalities : {};
  return [
    ...(caps.supports_tools === true || caps.supports_tool_calls === true ? ['tools'] : []),
    ...(modalities.vision === true ? ['vision'] : []),
  ];
};

/**
 * llama.cpp's `llama-server`. `/metrics` (flag `--metrics`, 501 without it) tells running from deferred requests;
 * `/slots` (on unless `--no-slots`) only the running ones. Both are answered between two decoding steps, so a worker
 * in the middle of a long prompt may miss the probe's time limit and then counts as busy, which it is.
 *
 * With `--sleep-idle-seconds` it unloads its model, and loads it again for the next request. `/health`, `/props` and
 * `/models` neither wake it nor keep it awake; `/metrics` and `/slots` do both (`/metrics` no longer since PR 27376).
 *
 * `/tokenize` and `/detokenize` stand outside `/v1`.
 *
 * Source: llama.cpp `tools/server/server.cpp` as of August 2026 and its README ("Sleeping on Idle").
 */
export const llamacpp: Engine = {
  name: 'llamacpp',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'count_tokens',
    'transcription',
    'rerank',
    'tokenize',
    'detokenize',
    'input_tokens',
  ),
  paths: { tokenize: '/tokenize', detokenize: '/detokenize' },
  hasDefaultModel: true,
  healthPath: '/health',
  modelsPaths: ['/v1/models'],
  readModels: readOpenAIModels,
  loadSources: [
    {
      path: '/metrics',
      read: (body) => {
        const running = sumOf(body, 'llamacpp:requests_processing');
        return running === undefined ? undefined : { running, waiting: sumOf(body, 'llamacpp:requests_deferred') ?? 0 };
      },
    },
    { path: '/slots', read: readSlots },
  ],
  sleep: { path: '/props', wakesItself: true, read: readSleep, readCapabilities },
  loaded: { path: '/props', read: (body) => (readSleep(body) === true ? [] : 'all') },
  signs: [
    {
      paths: ['/v1/models'],
      matches: (answers) => {
        const list = answers.get('/v1/models');
        return list?.headers.server === 'llama.cpp' || (isOk(list) && isOwnedBy(list, 'llamacpp'));
      },
    },
    bodySign('/props', (body) => readObject(body)?.default_generation_settings !== undefined),
  ],
};
