import { openai } from '../dialects/openai.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import { GatewayError, NotFoundError, UnavailableError } from '../errors.ts';
import { json, type Reply } from '../http/reply.ts';
import type { AnswerContext } from './endpoint.ts';

const REASON_MS = 2_000;

const shown = (service: ScaledService, idleSince: number | undefined) => {
  const { name, state, desired, running, healthy, models, engine, min, max, idleMinutes, wake, reason } = service;
  return {
    name,
    state,
    desired,
    running,
    healthy,
    models,
    engine: engine ?? null,
    min,
    max,
    idle_minutes: idleMinutes,
    ...(idleSince !== undefined && { idle_since: new Date(idleSince).toISOString() }),
    ...(wake && { wake_seconds: { last: wake.last, typical: wake.typical } }),
    ...(reason !== undefined && { reason }),
  };
};

/** Since when each has nothing to do: the registrar's own notes, which change at every look; without them nothing is said. */
const idleSinceOf = async (services: readonly ScaledService[], wishes: AnswerContext['wishes']) => {
  const nothing: ReadonlyMap<string, number> = new Map();
  if (!wishes || services.length === 0) return nothing;
  const names = services.map(({ name }) => name);
  return (await wishes()).idleSince(names, AbortSignal.timeout(REASON_MS)).catch(() => nothing);
};

/** Said and not thrown: in a file of its own, the class of an error is a stranger to who would catch it. */
const refusal = (error: GatewayError): Reply => ({
  status: error.status,
  headers: { 'content-type': 'application/json', ...error.headers },
  body: openai.errorBody(error, ''),
});

/** Of a service that the snapshot does not show. */
const unknown = async (name: string, wishes: AnswerContext['wishes']): Promise<GatewayError> => {
  const scaled = await wishes?.()
    .then(({ isScaled }) => isScaled(name, AbortSignal.timeout(REASON_MS)))
    .catch(() => undefined);
  if (scaled === undefined) return new NotFoundError(`There is no service '${name.slice(0, 200)}' here.`);
  return scaled
    ? new UnavailableError('The registrar has not looked at this service yet.', { retryAfter: 60 })
    : new GatewayError(409, 'not_scaled', `The gateway does not change the count of '${name}': it has no 'scale'.`);
};

/** `GET /api/services` (docs/contract.md 11). */
export const listServices = async ({ snapshot, wishes }: AnswerContext): Promise<Reply> => {
  const { services = [] } = await snapshot();
  const idleSince = await idleSinceOf(services, wishes);
  const sorted = services.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return json(
    200,
    sorted.map((service) => shown(service, idleSince.get(service.name))),
  );
};

/** `POST /api/services/{name}/wake`. */
export const wakeService = async ({ params, snapshot, wishes }: AnswerContext): Promise<Reply> => {
  const name = params.name ?? '';
  const service = (await snapshot()).services?.find((one) => one.name === name);
  if (!service || !wishes) return refusal(await unknown(name, wishes));
  try {
    await (await wishes()).insist(name, AbortSignal.timeout(10_000));
  } catch (cause) {
    return refusal(new UnavailableError('It could not be written down that the service is wanted.', { cause }));
  }
  const idleSince = await idleSinceOf([service], wishes);
  return json(202, shown(service, idleSince.get(name)));
};
