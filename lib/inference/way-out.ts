import { endpoints } from '../endpoints/index.ts';
import type { Operation } from '../engines/engine.ts';
import { servesOperation } from '../engines/index.ts';
import type { Worker } from '../worker.ts';

/** Operations that do the same in other words: where one is not served, another one may be. */
const KINDS: readonly (readonly Operation[])[] = [
  ['chat', 'messages', 'responses', 'ollama_chat', 'ollama_generate', 'completions'],
  ['embeddings', 'ollama_embed', 'ollama_embeddings'],
];

const pathOf = (operation: Operation) => endpoints.find((endpoint) => endpoint.operation === operation)?.paths[0];

/** @returns tells the path of an endpoint like this one that some of the workers serve. */
export const wayOut =
  (operation: Operation) =>
  (workers: readonly Worker[]): string | undefined => {
    const others = KINDS.find((kind) => kind.includes(operation)) ?? [];
    const served = others.find((other) => workers.some((worker) => servesOperation(worker, other)));
    return served && pathOf(served);
  };
