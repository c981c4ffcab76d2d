/** `healthy` is the only status that is routed to (docs/contract.md 9). */
export type WorkerStatus = 'healthy' | 'pending' | 'unhealthy' | 'draining';

/** What an OpenAI model list says of a model beside its name. */
export interface ModelEntry {
  /** Seconds since 1970. */
  readonly created?: number | undefined;
  readonly owned_by?: string | undefined;
  /** vLLM's context window, in tokens. */
  readonly max_model_len?: number | undefined;
  /** Other servers' words for it. */
  readonly context_length?: number | undefined;
  readonly context_window?: number | undefined;
  /** llama.cpp's: `n_ctx`, `n_ctx_train`, `n_params`, `size` (bytes) and the like. */
  readonly meta?: Readonly<Record<string, string | number | undefined>> | undefined;
}

/** What an Ollama model list says of a model beside its name. */
export interface ModelTag {
  /** Bytes. */
  readonly size?: number | undefined;
  readonly digest?: string | undefined;
  /** RFC 3339. */
  readonly modified_at?: string | undefined;
  readonly details?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined;
}

/** A model as its worker lists it: what clients are told of it, and no more, since it travels with the fleet. */
export interface ListedModel {
  readonly id: string;
  readonly entry?: ModelEntry | undefined;
  readonly tag?: ModelTag | undefined;
  /** In Ollama's words: `completion`, `embedding`, `tools`, `vision`, `thinking`, `insert`. */
  readonly capabilities?: readonly string[] | undefined;
}

/** One serving process with an HTTP API: LocalAI, vLLM, llama.cpp, Ollama or another OpenAI-compatible server. */
export interface Worker {
  /** The public, opaque node id: what `X-LocalAI-Node` says and `GET /api/nodes` lists. */
  readonly id: string;
  /** Human-readable name, shown by `GET /api/nodes` only. */
  readonly name: string;
  /** Absolute base URL without a trailing slash, `http://10.0.1.7:8080`. */
  readonly url: string;
  readonly status: WorkerStatus;
  /** A key of the engine registry (`lib/engines`); `undefined` while nobody knows: it counts as LocalAI. */
  readonly engine?: string | undefined;
  /** Operations (`lib/engines`) it serves beside those of its engine. */
  readonly serves?: readonly string[] | undefined;
  /** Model names the worker lists; `undefined` when its list could not be read: it may have any model. */
  readonly models?: readonly string[] | undefined;
  /** What its list says of them beside the name; only of those of which it says something. */
  readonly about?: readonly ListedModel[] | undefined;
  /** The version of Ollama's API that it says it speaks. */
  readonly version?: string | undefined;
  /** Its engine sleeps, and a request would not wake it: it is `pending`. */
  readonly isAsleep?: true | undefined;
  /** It was seen asleep, and sleeps again when nobody asks it anything: its load is not asked for. */
  readonly sleepsByItself?: true | undefined;
  /** Where load is read when not from the engine itself: `haproxy`, a sidecar in front of the worker. */
  readonly load?: string | undefined;
  /** The service it belongs to, where the registrar changes that one's count. */
  readonly scaledBy?: string | undefined;
  /** Sent to the worker as `Authorization: Bearer`. */
  readonly apiKey?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** RFC 3339 time of the last successful look at this worker. */
  readonly lastHeartbeat?: string | undefined;
}

/** @returns the bearer header of a worker that has a key; goes into everything it is asked. */
export const keyHeader = ({ apiKey }: Pick<Worker, 'apiKey'>): Record<string, string> =>
  apiKey ? { authorization: `Bearer ${apiKey}` } : {};

/** @returns the name without Ollama's default tag. */
export const withoutLatest = (model: string): string =>
  model.endsWith(':latest') ? model.slice(0, -':latest'.length) : model;

/** Model names match exactly, except that a trailing `:latest` is ignored on both sides. */
export const sameModel = (a: string, b: string): boolean => a === b || withoutLatest(a) === withoutLatest(b);

/** @returns whether the worker's own list names the model. */
export const namesModel = ({ models }: Pick<Worker, 'models'>, model: string): boolean =>
  models?.some((listed) => sameModel(listed, model)) ?? false;

/** @returns the model as the worker itself lists it; as it was asked for, where it lists no such name. */
export const listedName = ({ models = [] }: Pick<Worker, 'models'>, model: string): string =>
  models.includes(model) ? model : (models.find((listed) => sameModel(listed, model)) ?? model);

/** @returns whether the worker names the model, or may have any (`*`, or a list that could never be read). */
export const hasModel = (worker: Pick<Worker, 'models'>, model: string): boolean =>
  worker.models === undefined || worker.models.includes('*') || namesModel(worker, model);
