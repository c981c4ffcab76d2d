/** `healthy` is the only status that is routed to (CONTRACT.md 9). */
export type WorkerStatus = 'healthy' | 'pending' | 'unhealthy' | 'draining';

/** One serving process with an HTTP API: LocalAI, vLLM, llama.cpp, Ollama or another OpenAI-compatible server. */
export interface Worker {
  /** The public, opaque node id: what `X-LocalAI-Node` says and `GET /api/nodes` lists. */
  readonly id: string;
  /** Human-readable name, shown by `GET /api/nodes` only. */
  readonly name: string;
  /** Absolute base URL without a trailing slash, `http://10.0.1.7:8080`. */
  readonly url: string;
  readonly status: WorkerStatus;
  /** A key of the engine registry (`lib/engines`). */
  readonly engine: string;
  /** Model names the worker lists; `undefined` when its list could not be read: it may have any model. */
  readonly models?: readonly string[] | undefined;
  /** Where load is read when not from the engine itself: `haproxy`, a sidecar in front of the worker. */
  readonly load?: string | undefined;
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

/** @returns whether the worker lists the model, or may have any (`*`, or a list that could not be read). */
export const hasModel = (worker: Worker, model: string): boolean =>
  worker.models === undefined || worker.models.some((listed) => listed === '*' || sameModel(listed, model));
