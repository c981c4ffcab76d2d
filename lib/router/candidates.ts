import type { Operation } from '../engines/engine.ts';
import { engineOf, servesOperation } from '../engines/index.ts';
import { InvalidRequestError, ModelNotFoundError, NotServedError, UnavailableError } from '../errors.ts';
import { hasModel, namesModel, type Worker } from '../worker.ts';

/** What a request needs of its worker. */
export interface Need {
  /** The endpoint's operation. */
  readonly operation: Operation;
  /** The served model; `undefined`: any. */
  readonly model: string | undefined;
  /** The name the client used, for messages. */
  readonly requestedModel: string | undefined;
  /** Whether a worker that lacks the operation can be asked in words of its own. */
  readonly translates?: ((worker: Worker) => boolean) | undefined;
  /** Where else the model is to be had, for the message: a path that one of these workers serves. */
  readonly wayOut?: ((workers: readonly Worker[]) => string | undefined) | undefined;
}

/**
 * The one filter of the house: who may serve this request at all.
 *
 * @returns healthy workers. Those that name the model come before those that merely may have it (`orderOf`).
 * @throws {UnavailableError} the fleet is empty, or all that could serve it are not healthy now (503)
 * @throws {ModelNotFoundError} no worker has the model (404)
 * @throws {NotServedError} the model is there, but no engine with it serves the endpoint (501)
 * @throws {InvalidRequestError} no model is named, and nobody has a model of its own choice (400)
 */
export const candidatesFor = (
  workers: readonly Worker[],
  { operation, model, requestedModel, translates, wayOut }: Need,
): readonly Worker[] => {
  if (workers.length === 0) throw new UnavailableError('No worker is registered with this gateway at the moment.');
  const having = model === undefined ? workers : workers.filter((worker) => hasModel(worker, model));
  if (having.length === 0) throw new ModelNotFoundError(requestedModel ?? model ?? '');
  const serving = having.filter((worker) => servesOperation(worker, operation) || translates?.(worker));
  if (serving.length === 0) {
    const path = wayOut?.(having);
    const instead = path === undefined ? '' : ` ${path} is served.`;
    throw new NotServedError(
      model === undefined
        ? `No worker of this gateway runs an engine that serves this endpoint.${instead}`
        : `The model '${requestedModel ?? model}' is here, but no worker that has it runs an engine that serves this endpoint.${instead}`,
    );
  }
  const able = model === undefined ? serving.filter(({ engine }) => engineOf(engine).hasDefaultModel) : serving;
  if (able.length === 0) {
    throw new InvalidRequestError("'model' is missing. GET /v1/models lists the models there are.", { param: 'model' });
  }
  const healthy = able.filter(({ status }) => status === 'healthy');
  if (healthy.length === 0)
    throw new UnavailableError('No worker that could serve this request is ready at the moment.');
  return healthy;
};

/** Those whose own list names the model, then those that may have it. */
const bySureness = (candidates: readonly Worker[], model: string | undefined): readonly (readonly Worker[])[] => {
  if (model === undefined) return [candidates];
  const named = candidates.filter((worker) => namesModel(worker, model));
  if (named.length === 0 || named.length === candidates.length) return [candidates];
  return [named, candidates.filter((worker) => !named.includes(worker))];
};

/**
 * Parts candidates: those that speak the client's dialect come before those that are asked in words of their own, and of
 * both those whose own list names the model before those that may have it.
 * @returns the parts that are not empty, the first choice first.
 */
export const orderOf = (
  candidates: readonly Worker[],
  { operation, model, translates }: Need,
): readonly (readonly Worker[])[] => {
  const native = translates ? candidates.filter((worker) => servesOperation(worker, operation)) : candidates;
  if (native.length === 0 || native.length === candidates.length) return bySureness(candidates, model);
  const others = candidates.filter((worker) => !native.includes(worker));
  return [...bySureness(native, model), ...bySureness(others, model)];
};
