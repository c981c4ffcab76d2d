/**
 * One piece of work. An engine that gives a single answer yields once; one that makes its answer bit by bit (text,
 * speech) yields as it goes. Values cross a thread: structured-cloneable only.
 */
type Run<Input, Output> = (input: Input, signal: AbortSignal) => AsyncIterable<Output>;

/** What an engine file's default export is: reads weights, compiles, trains. Called once, inside the engine's thread. */
export type LoadEngine<Input, Output> = () => Promise<Run<Input, Output>>;

/** Bad input that only the engine could recognise: becomes a 400. */
export class EngineInputError extends Error {
  override readonly name = 'EngineInputError';
}
