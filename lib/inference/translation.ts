import type { CanServe } from '../endpoints/endpoint.ts';
import { engineOf, servesOperation } from '../engines/index.ts';
import type { Reply } from '../http/reply.ts';
import type { Pair } from '../translation/index.ts';
import type { Worker } from '../worker.ts';
import { createTranslate, type Translate, type TranslateOptions } from './translated.ts';

/** What one request needs for workers that do not speak its dialect. */
export interface TranslationMeans {
  /** Whether a worker can be asked in words of its own. */
  canAsk(worker: Worker): boolean;
  readonly translate: Translate;
  /**
   * Looks, before anybody is asked, whether the request can be carried, where nobody speaks its dialect.
   * @returns the answer, where there is nothing to ask a worker.
   * @throws {InvalidRequestError} names the field that cannot be carried.
   */
  prepare(candidates: readonly Worker[]): Promise<Reply | undefined>;
  /** Looks the same before another worker is tried: workers that it cannot be carried to are none then. */
  check(): Promise<void>;
}

/** What a function can do for workers that do not speak its clients' dialect. */
export interface Translations {
  /** @returns what a request needs whose operation is one of the pairs'; `undefined` for others. */
  meansFor(options: Omit<TranslateOptions, 'pair'>): TranslationMeans | undefined;
  /** Whether a worker can be asked for an operation in words of its own. */
  canServe: CanServe;
}

/** @returns whether a pair leads to something that the worker serves. */
const leadsTo = ({ to, engines }: Pair, worker: Worker): boolean =>
  (engines?.includes(engineOf(worker.engine).name) ?? true) && servesOperation(worker, to);

export const createTranslation = (pairs: readonly Pair[]): Translations => ({
  canServe: (worker, operation) => pairs.some((pair) => pair.from.includes(operation) && leadsTo(pair, worker)),
  meansFor(options) {
    const { operation } = options.inference.endpoint;
    const pair = pairs.find(({ from }) => from.includes(operation));
    if (!pair) return undefined;
    const translate = createTranslate({ ...options, pair });
    let isCarried = true;
    let other: Worker | undefined;
    return {
      translate,
      canAsk: (worker) => isCarried && leadsTo(pair, worker),
      async prepare(candidates) {
        other = candidates.find((worker) => !servesOperation(worker, operation));
        if (!other || candidates.some((worker) => servesOperation(worker, operation))) return undefined;
        return (await translate(other)).own;
      },
      async check() {
        if (!other || !isCarried) return;
        isCarried = await translate(other).then(
          () => true,
          () => false,
        );
      },
    };
  },
});
