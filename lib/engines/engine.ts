/** What a request asks of a worker: one name per inference endpoint of the gateway (`lib/endpoints`). */
export type Operation =
  | 'chat'
  | 'completions'
  | 'embeddings'
  | 'responses'
  | 'messages'
  | 'count_tokens'
  | 'ollama_chat'
  | 'ollama_generate'
  | 'ollama_embed'
  | 'ollama_embeddings'
  | 'ollama_show'
  | 'transcription'
  | 'translation'
  | 'speech'
  | 'diarization'
  | 'sound_generation'
  | 'image_generation'
  | 'inpainting'
  | 'image_edit'
  | 'rerank'
  | 'vad';

/** Requests on a worker at one moment. */
export interface Load {
  /** Requests the engine works on now. */
  readonly running: number;
  /** Requests that wait for a free slot; 0 where the source does not tell them from running ones. */
  readonly waiting: number;
}

/** One place on a worker's origin where its load can be read with GET. */
export interface LoadSource {
  /** Path and query below the worker's base URL. */
  readonly path: string;
  /** @returns the load in a 2xx body, `undefined` when the body says nothing about it. */
  read(body: string): Load | undefined;
  /** A zero here may also mean "not counting": it needs a second source before it is believed. */
  readonly zeroIsDoubtful?: boolean;
}

/** A worker's answer to a GET. Header names in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A question whose answer gives an engine away. */
interface Sign {
  readonly path: string;
  matches(answer: Answer): boolean;
}

/** What the gateway knows about a kind of inference server. */
export interface Engine {
  readonly name: string;
  /** @returns whether the engine has an endpoint of its own for the operation. Its models may still refuse it. */
  serves(operation: string): boolean;
  /** GET; 2xx once the server can take requests. */
  readonly healthPath: string;
  /** GET; `readModels` reads the answer. */
  readonly modelsPath: string;
  /** @returns the model names of a 2xx answer of `modelsPath`, `undefined` when it is not a model list. */
  readModels(body: string): readonly string[] | undefined;
  /** Where load can be read, the cheapest first. Empty: this engine reports none. */
  readonly loadSources: readonly LoadSource[];
  /** It goes by `?model=` where the body names no model. */
  readonly readsModelFromQuery?: true;
  /** What it makes (images, videos) it answers as URLs on its own disk, unless it is asked for another form. */
  readonly keepsFiles?: true;
  /** How a registrar finds out that a worker runs this engine; any one match is enough. */
  readonly signs: readonly Sign[];
}

/** @returns an `Engine.serves` over a fixed list of operations. */
export const serving = (...operations: Operation[]): ((operation: string) => boolean) => {
  const served: ReadonlySet<string> = new Set(operations);
  return (operation) => served.has(operation);
};

/** @returns the parsed body, `undefined` when it is not JSON or not an object or array. */
export const parseJson = (body: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};
