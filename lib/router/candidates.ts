import { engineOf } from '../engines/index.ts';
import { ModelNotFoundError, NotServedError, UnavailableError } from '../errors.ts';
import { hasModel, type Worker } from '../worker.ts';

/** What a request needs of its worker. */
export interface Need {
  /** The endpoint's operation. */
  readonly operation: string;
  /** The served model; `undefined`: any. */
  readonly model: string | undefined;
  /** The name the client used, for messages. */
  readonly requestedModel: string | undefined;
}

/**
 * The one filter of the house: who may serve this request at all.
 *
 * @throws {UnavailableError} the fleet is empty, or all that could serve it are not healthy now (503)
 * @throws {ModelNotFoundError} no worker has the model (404)
 * @throws {NotServedError} the model is there, but no engine with it serves the endpoint (501)
 */
export const candidatesFor = (
  workers: readonly Worker[],
  { operation, model, requestedModel }: Need,
): readonly Worker[] => {
  if (workers.length === 0) throw new UnavailableError('No worker is registered with this gateway at the moment.');
  const having = model === undefined ? workers : workers.filter((worker) => hasModel(worker, model));
  if (having.length === 0) throw new ModelNotFoundError(requestedModel ?? model ?? '');
  const serving = having.filter(({ engine }) => engineOf(engine).serves(operation));
  if (serving.length === 0) {
    throw new NotServedError(
      model === undefined
        ? 'No worker of this gateway runs an engine that serves this endpoint.'
        : `The model '${requestedModel ?? model}' is here, but no worker that has it runs an engine that serves this endpoint.`,
    );
  }
  const healthy = serving.filter(({ status }) => status === 'healthy');
  if (healthy.length === 0)
    throw new UnavailableError('No worker that could serve this request is ready at the moment.');
  return healthy;
};
