import type { EngineHost } from '../engines/host.ts';
import type { TextInput, TextOutput } from '../engines/text-engine.ts';
import { createStopWatch } from './stop-sequences.ts';

/** How a text came to its end. */
export interface Ending {
  readonly reason: 'stop' | 'length' | 'stop_sequence';
  readonly stopSequence?: string;
  readonly completionTokens: number;
}

export interface Generation {
  readonly promptTokens: number;
  /** The text, piece by piece as it is made; read once. */
  readonly pieces: AsyncIterable<string>;
  /** Known once `pieces` has been read. */
  readonly ending: Ending;
}

/** Begins a text; resolves when the engine has read the prompt, so that a failure before is not yet inside a stream. */
export const startGeneration = async (
  engine: EngineHost<TextInput, TextOutput>,
  input: TextInput,
  stop: readonly string[],
  signal: AbortSignal,
): Promise<Generation> => {
  const outputs = engine.run(input, signal);
  const first = await outputs.next();
  if (first.done || !('promptTokens' in first.value)) throw new Error('The engine said nothing of the prompt.');
  let ending: Ending | undefined;

  async function* read() {
    const watch = createStopWatch(stop);
    let completionTokens = 0;
    let reason: Ending['reason'] = 'stop';
    for await (const output of outputs) {
      if ('length' in output) reason = 'length';
      if (!('text' in output)) continue;
      completionTokens += 1;
      const { text, met } = watch.push(output.text);
      if (text) yield text;
      if (met === undefined) continue;
      ending = { reason: 'stop_sequence', stopSequence: met, completionTokens };
      return;
    }
    const rest = watch.flush();
    if (rest) yield rest;
    ending = { reason, completionTokens };
  }

  return {
    promptTokens: first.value.promptTokens,
    pieces: read(),
    get ending() {
      if (!ending) throw new Error('The text has not ended yet.');
      return ending;
    },
  };
};

/** Reads a generation to its end. */
export const collect = async (generation: Generation): Promise<string> => {
  let text = '';
  for await (const piece of generation.pieces) text += piece;
  return text;
};
