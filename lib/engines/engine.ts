import type { Fields } from '../json.ts';
import type { ListedModel } from '../worker.ts';

/**
 * What a request asks of a worker: one name per inference endpoint of the gateway (`lib/endpoints`), and the words an
 * operator may put into a worker's `serves`.
 */
export const operations = [
  'chat',
  'completions',
  'embeddings',
  'responses',
  'messages',
  'count_tokens',
  'ollama_chat',
  'ollama_generate',
  'ollama_embed',
  'ollama_embeddings',
  'ollama_show',
  'transcription',
  'translation',
  'speech',
  'text_to_speech',
  'diarization',
  'audio_classification',
  'audio_transformation',
  'sound_generation',
  'image_generation',
  'inpainting',
  'image_edit',
  'image_variation',
  'image_upscale',
  'detection',
  'video',
  'rerank',
  'vad',
  'tokenize',
  'detokenize',
  'moderation',
  'input_tokens',
  'realtime',
] as const;

export type Operation = (typeof operations)[number];

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

/** What a worker does and has done, by its own count. */
export interface Work extends Load {
  /**
   * Grows with every request the engine has worked on since it started: requests, or what it counts in their stead.
   * Only that it changes means something; lower than before is a restart.
   */
  readonly served: number;
  /** What `running` counts is only held loaded, and for ever: nobody can tell it from work, and it will not end. */
  readonly isPinned?: true;
}

/** Where an engine says what it has done. No question here counts as work, or wakes it; one may keep it awake. */
export interface WorkSource {
  /** Asked with GET. */
  readonly paths: readonly string[];
  /** @returns what the 2xx answers say, `undefined` when they do not say enough to be believed. */
  read(answers: Answers): Work | undefined;
  /** @returns whether what a worker is asked about itself (health, models) is among `served`; left out: it is not. */
  countsQuestions?(answers: Answers): boolean;
}

/** A worker's answer to a GET. Header names in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** What each path of a worker answered; nothing for those that did not. */
export type Answers = ReadonlyMap<string, Answer>;

/** Something in a worker's answers that gives its engine away. */
export interface Sign {
  /** Asked with GET; none of them wakes an engine that sleeps, or keeps one awake. */
  readonly paths: readonly string[];
  /** @param answers 2xx and others; of other paths too. */
  matches(answers: Answers): boolean;
}

/** Where an engine says whether it sleeps. Asked before its load, which could wake it, or keep it awake. */
export interface SleepSource {
  readonly path: string;
  /** @returns whether it sleeps, `undefined` when the body does not say: it never will. */
  read(body: string): boolean | undefined;
  /** Whether a request wakes it. One that is not woken must not be sent any. */
  readonly wakesItself: boolean;
  /** POST wakes it, and answers 2xx when it is awake. */
  readonly wakePath?: string;
  /** @returns what the same body says that all models of the worker can do, in Ollama's words. */
  readCapabilities?(body: string): readonly string[];
}

/** Where an engine says which of its models are in memory. */
export interface LoadedSource {
  readonly path: string;
  /** @returns Ollama's entries (`GET /api/ps`) of those that are, `all`, or `undefined` when the body does not say. */
  read(body: string): readonly Fields[] | 'all' | undefined;
}

/** What the gateway knows about a kind of inference server. */
export interface Engine {
  readonly name: string;
  /** @returns whether the engine has an endpoint of its own for the operation. Its models may still refuse it. */
  serves(operation: Operation): boolean;
  /** Operations whose path is another one here than the gateway's canonical path. */
  readonly paths?: Partial<Readonly<Record<Operation, string>>>;
  /** Whether a request that names no model gets an answer. */
  readonly hasDefaultModel: boolean;
  /** GET; 2xx once the server can take requests. */
  readonly healthPath: string;
  /** @returns what a 2xx answer of `healthPath` says of the version of Ollama's API, where it does. */
  readVersion?(body: string): string | undefined;
  /** GET; `readModels` reads the first 2xx answer that it can. The fullest list comes first. */
  readonly modelsPaths: readonly string[];
  /** @returns the models of a 2xx answer of a model list, each once, `undefined` when it is not a model list. */
  readModels(body: string): readonly ListedModel[] | undefined;
  /** Where load can be read, the cheapest first. Empty: this engine reports none. */
  readonly loadSources: readonly LoadSource[];
  /** It goes by `?model=` where the body names no model. */
  readonly readsModelFromQuery?: true;
  /** What it makes (images, videos) it answers as URLs on its own disk, unless it is asked for another form. */
  readonly keepsFiles?: true;
  /** Left out: it never sleeps. */
  readonly sleep?: SleepSource;
  /** What is in memory; left out: nobody can tell. `all`: whatever it lists. */
  readonly loaded?: LoadedSource | 'all';
  /** How a worker is recognised; any one is enough. */
  readonly signs: readonly Sign[];
}

/** @returns it, if its numbers can be: a worker's answer may say anything. */
export const believed = ({ running, waiting, served }: Work): Work | undefined =>
  [running, waiting, served].every((count) => count >= 0 && count <= Number.MAX_SAFE_INTEGER)
    ? { running, waiting, served }
    : undefined;

/** @returns an `Engine.serves` over a fixed list of operations. */
export const serving = (...names: readonly Operation[]): ((operation: Operation) => boolean) => {
  const served: ReadonlySet<Operation> = new Set(names);
  return (operation) => served.has(operation);
};

export const isOk = (answer: Answer | undefined): answer is Answer =>
  answer !== undefined && answer.status >= 200 && answer.status < 300;

/** @returns the body of a path's 2xx answer. */
export const bodyOf = (answers: Answers, path: string): string | undefined => {
  const answer = answers.get(path);
  return isOk(answer) ? answer.body : undefined;
};

/** @returns a sign that is one 2xx body on one path. */
export const bodySign = (path: string, matches: (body: string, answer: Answer) => boolean): Sign => ({
  paths: [path],
  matches: (answers) => {
    const answer = answers.get(path);
    return isOk(answer) && matches(answer.body, answer);
  },
});
