import type { Config } from '../config.ts';
import { openai } from '../dialects/openai.ts';
import type { Snapshot, Source } from '../discovery/source.ts';
import type { ForwardedEndpoint } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { NotServedError } from '../errors.ts';
import { modelIn, targetQuery, withModel, withoutCredentials } from '../http/query.ts';
import type { Reply } from '../http/reply.ts';
import type { Router } from '../router/router.ts';
import { systemClock } from '../time/clock.ts';
import type { Upstream } from '../upstream/client.ts';
import { type Handshaken, openWebSocket } from '../upstream/web-socket.ts';
import { startAttempts } from './attempts.ts';
import { refuseForeignPage } from './foreign-page.ts';
import type { InferenceRequest } from './inference-request.ts';
import { nameModel } from './model-naming.ts';
import { createReplier } from './replier.ts';
import { wishForSession } from './session-wishes.ts';
import { createSleepers, type Waking, workersOf } from './sleepers.ts';

const PATH = '/v1/realtime';

/** Longer than an engine takes to answer a handshake: models are loaded behind it. */
const HANDSHAKE_MS = 30_000;

const session: ForwardedEndpoint = {
  kind: 'forwarded',
  operation: 'realtime',
  families: ['openai'],
  methods: ['GET'],
  paths: [PATH],
  dialect: openai,
  input: 'json',
  modelField: 'model',
};

const readSession = (request: GatewayRequest, aliases: Snapshot['aliases']): InferenceRequest => {
  const query = withoutCredentials(request.query);
  const { requestedModel, servedModel } = nameModel({
    endpoint: session,
    inPath: undefined,
    field: () => undefined,
    query,
    aliases,
  });
  const isAlias = servedModel !== undefined && servedModel !== modelIn(query);
  return {
    endpoint: session,
    requestedModel,
    servedModel,
    stream: true,
    path: PATH + targetQuery(isAlias ? withModel(query, servedModel) : query),
    body: new Uint8Array(),
    bodyFor: () => new Uint8Array(),
    prefix: undefined,
    session: request.headers['x-session-id'],
    fields: {},
  };
};

export interface RealtimeParts {
  readonly config: Config;
  readonly router: Router;
  /** Only where the fleet comes from SSM. */
  readonly waking?: (Waking & { readonly source: Pick<Source, 'current'> }) | undefined;
}

/**
 * Realtime sessions over WebSocket (docs/contract.md 12): a worker is chosen, tried and failed over as for any request,
 * and 101 is an answer like others. What follows it is for the host, which is handed the worker's socket in
 * `request.upgrade`.
 *
 * LocalAI takes the model from the query and offers no subprotocol; vLLM takes it from the client's `session.update`.
 * @see https://github.com/mudler/LocalAI/blob/master/core/http/endpoints/openai/realtime.go
 * @see https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/realtime/api_router.py
 */
export const createRealtime = ({ config, router, waking }: RealtimeParts) => {
  const replier = createReplier({ config, router });
  return async (request: GatewayRequest, snapshot: Snapshot): Promise<Reply> => {
    const { upgrade, record } = request;
    if (!upgrade)
      throw new NotServedError(
        /realtime\/./.test(request.path)
          ? 'There are no sessions or client secrets to be made here: connect to /v1/realtime?model=... with the key itself.'
          : 'The realtime API is a WebSocket: connect to /v1/realtime?model=... with GET and Upgrade: websocket.',
      );
    refuseForeignPage(request, config.corsOrigins);
    const inference = readSession(request, snapshot.aliases);
    const { requestedModel, servedModel: model } = inference;
    if (record) Object.assign(record, { requestedModel, servedModel: model });
    let handshaken: Handshaken | undefined;
    const upstream: Upstream = {
      async send(sent) {
        const { connectTimeoutMs } = config;
        handshaken = await openWebSocket(sent, { protocols: upgrade.protocols, connectTimeoutMs });
        return handshaken.response;
      },
    };
    const need = { operation: session.operation, model, requestedModel };
    // Before the 101 nothing can be said that would keep a connection: as long as any other request that says nothing.
    const sleepers =
      waking && snapshot.services && createSleepers({ ...waking, snapshot, need, request, limitMs: config.wakeWaitMs });
    const answered = await startAttempts({
      router,
      upstream,
      request,
      inference,
      sleepers,
      route: {
        workers: workersOf(snapshot),
        need,
        hints: { model, conversationKey: inference.session, systemTokens: 0, promptTokens: 0 },
      },
      maxAttempts: config.maxAttempts,
      idleMs: config.idleTimeoutMs,
      firstByteMs: config.firstByteTimeoutMs ?? HANDSHAKE_MS,
    }).answered;
    const { socket, protocol } = handshaken ?? {};
    if (answered.status !== 101 || !socket) return replier.reply(answered, inference, request);
    const over = new AbortController();
    const { scaledBy } = answered.worker;
    if (waking && scaledBy !== undefined)
      void wishForSession({ ...waking, name: scaledBy, clock: systemClock, signal: over.signal });
    upgrade.opened = {
      socket,
      ended(ending) {
        over.abort();
        replier.ended(ending, answered, inference, request);
      },
    };
    // A browser's client leaves where what it offered is not answered, and workers that choose nothing speak this one.
    const chosen = protocol ?? upgrade.protocols.find((offered) => offered === 'realtime');
    return { status: 101, headers: chosen === undefined ? {} : { 'sec-websocket-protocol': chosen } };
  };
};
