import type { CanServe } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { GatewayError, TimeoutError } from '../errors.ts';
import { createHolder, stamp, stampOf } from '../holder.ts';
import type { Reply, Sink } from '../http/reply.ts';
import { timeLimit } from '../time/time-limit.ts';
import type { createInference } from './inference.ts';

type Infer = ReturnType<typeof createInference>;

/** How long workers may take to begin an answer that the gateway could give itself. */
const PATIENCE_MS = 2000;

const isAnswer = ({ status = 200 }: Reply) => status < 300;

const nowhere: Sink = { write: () => true, drained: async () => {} };

/** So that its connection can be used again. */
const readToEnd = async ({ body }: Reply): Promise<void> => {
  if (typeof body === 'function') await body(nowhere);
};

/**
 * Asks a worker where one serves the endpoint, and answers in its place where none does, or none has an answer in time.
 * The node header names a worker only when the bytes are its own.
 */
export const withFallback =
  (infer: Infer, canServe: CanServe): Infer =>
  async (asked, request, snapshot) => {
    const { fallback } = asked.endpoint;
    if (!fallback) return infer(asked, request, snapshot);
    const { deadline, holder } = request;
    // Not `AbortSignal.any`: what it makes stays in memory for as long as somebody listens, and the attempts do.
    const limit = new AbortController();
    const release = timeLimit(PATIENCE_MS, () => limit.abort(new TimeoutError('No worker answered in time.')));
    const end = () => limit.abort(deadline.signal.reason);
    if (deadline.signal.aborted) end();
    else deadline.signal.addEventListener('abort', end, { once: true });
    const trial: GatewayRequest = {
      ...request,
      deadline: { ...deadline, signal: limit.signal },
      ...(holder && { holder: createHolder() }),
    };
    const own = (failure?: GatewayError) =>
      fallback(request.body as Readonly<Record<string, unknown>>, snapshot, failure, canServe);
    try {
      const reply = await infer(asked, trial, snapshot);
      const instead = isAnswer(reply) ? undefined : await own();
      if (!instead) {
        stamp(holder, stampOf(trial.holder) ?? '');
        return reply;
      }
      await readToEnd(reply).catch(() => {});
      return instead;
    } catch (error) {
      const instead = error instanceof GatewayError && error.status >= 500 ? await own(error) : undefined;
      if (!instead) {
        stamp(holder, stampOf(trial.holder) ?? '');
        throw error;
      }
      return instead;
    } finally {
      release();
    }
  };
