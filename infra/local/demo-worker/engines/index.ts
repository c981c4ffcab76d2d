import { basename } from 'node:path';
import { ApiError } from '../http/api-error.ts';
import type { SpeechInput, SpeechOutput } from './flite.ts';
import { GGUF_SLOTS } from './gguf.ts';
import { createEngineHost, type EngineHost } from './host.ts';
import { isPocketsphinxInstalled, type TranscriptInput, type TranscriptOutput } from './pocketsphinx.ts';
import type { ImageInput, ImageOutput } from './procedural-image.ts';
import type { VadInput, VadOutput } from './ten-vad.ts';
import type { TextInput, TextOutput } from './text-engine.ts';
import type { EmbedInput, EmbedOutput } from './use-lite.ts';

/** What each capability is asked and answers. */
interface Capabilities {
  text: [TextInput, TextOutput];
  embedding: [EmbedInput, EmbedOutput];
  speech: [SpeechInput, SpeechOutput];
  vad: [VadInput, VadOutput];
  image: [ImageInput, ImageOutput];
  transcription: [TranscriptInput, TranscriptOutput];
}

type Capability = keyof Capabilities;

/** A model this worker serves, and the engine that runs it. */
interface ServedModel<Input, Output> {
  /** The id clients name and `GET /v1/models` lists. */
  readonly id: string;
  readonly engine: EngineHost<Input, Output>;
}

type Served = { [C in Capability]?: ServedModel<Capabilities[C][0], Capabilities[C][1]> };

export interface Engines {
  /** Every model id, in a steady order. */
  readonly models: readonly string[];
  /** Ids of models that would be here if this machine had what they need: requests for them are told what that is. */
  readonly missing: readonly string[];
  /**
   * The model for a request. Without a name: whichever has the capability, as LocalAI does.
   * @throws {ApiError} 404 for an unknown model, 400 for one that cannot do this, 501 where nothing here can.
   */
  select<C extends Capability>(capability: C, requested?: string): ServedModel<Capabilities[C][0], Capabilities[C][1]>;
  /** @returns what a model can do, none for an unknown one. */
  capabilitiesOf(id: string): readonly Capability[];
  /** The models whose engines are in memory. */
  loaded(): readonly string[];
  /** Requests each model was selected for, since the start. */
  served(): Readonly<Record<string, number>>;
  /** Loads the language model, most newcomers' first request, ahead of it. */
  warm(): void;
  /** The sum over all engines. */
  load(): { readonly running: number; readonly waiting: number };
  close(): Promise<void>;
}

const TRANSCRIPTION_MODEL = 'pocketsphinx';
const MISSING_POCKETSPHINX =
  'Transcription needs PocketSphinx on this machine: on Debian or Ubuntu, apt-get install --no-install-recommends pocketsphinx pocketsphinx-en-us, then start again.';

const host = <Input, Output>(name: string, slots = 1): EngineHost<Input, Output> =>
  createEngineHost({ file: new URL(`./${name}.ts`, import.meta.url), slots });

/** @param gguf path of the user's own language model, which then replaces the n-gram (`DEMO_GGUF`) */
export const createEngines = ({ gguf }: { gguf?: string } = {}): Engines => {
  const served: Served = {
    text: gguf
      ? { id: basename(gguf, '.gguf'), engine: host('gguf', GGUF_SLOTS) }
      : { id: 'ngram', engine: host('ngram', 16) },
    embedding: { id: 'use-lite', engine: host('use-lite') },
    speech: { id: 'flite', engine: host('flite') },
    vad: { id: 'ten-vad', engine: host('ten-vad') },
    image: { id: 'procedural-image', engine: host('procedural-image') },
    ...(isPocketsphinxInstalled() ? { transcription: { id: TRANSCRIPTION_MODEL, engine: host('pocketsphinx') } } : {}),
  };
  const entries = Object.entries(served) as [Capability, ServedModel<never, unknown>][];
  const all = entries.map(([, model]) => model);
  const models = all.map(({ id }) => id);
  const missing = served.transcription ? [] : [TRANSCRIPTION_MODEL];
  const counts = Object.fromEntries(models.map((id) => [id, 0]));

  return {
    models,
    missing,
    select(capability, requested) {
      const name = requested?.replace(/:latest$/, '');
      if (name && !models.includes(name) && !missing.includes(name)) {
        const message = `The model '${requested}' is not here. This demo worker has: ${models.join(', ')}.`;
        throw new ApiError(404, message, { code: 'model_not_found', param: 'model' });
      }
      const model = served[capability];
      if (!model) throw new ApiError(501, MISSING_POCKETSPHINX);
      if (name && name !== model.id) {
        throw new ApiError(400, `The model '${requested}' cannot do this; use '${model.id}'.`, { param: 'model' });
      }
      counts[model.id] = (counts[model.id] ?? 0) + 1;
      return model as ServedModel<never, never>;
    },
    capabilitiesOf: (id) => entries.filter(([, model]) => model.id === id).map(([capability]) => capability),
    loaded: () => all.filter(({ engine }) => engine.isLoaded()).map(({ id }) => id),
    served: () => counts,
    warm() {
      served.text?.engine.warm().catch((error) => console.error(error));
    },
    load: () =>
      all.reduce(
        (sum, { engine }) => {
          const { running, waiting } = engine.load();
          return { running: sum.running + running, waiting: sum.waiting + waiting };
        },
        { running: 0, waiting: 0 },
      ),
    async close() {
      await Promise.all(all.map(({ engine }) => engine.close()));
    },
  };
};
