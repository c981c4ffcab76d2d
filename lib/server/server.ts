import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { TimeoutError, UnavailableError } from '../errors.ts';
import { log } from '../telemetry/log.ts';
import type { Deadline } from '../time/deadline.ts';
import { answerClientError } from './client-error.ts';
import { type RequestOptions, toGatewayRequest } from './request.ts';
import { respond } from './respond.ts';
import { createUpgrades, isSession, type UpgradeOptions } from './upgrade.ts';

/** docs/contract.md 12. */
const HEAD_MS = 30_000;
/** A load balancer of AWS keeps a connection up to 4000 s; whoever closes first must not be the one that is asked. */
const KEEP_ALIVE_MS = 4_100_000;
/** How often Node looks for heads that do not come. */
const LOOK_MS = 1000;
/** A load balancer has heard of `/readyz` by then. */
const REFUSE_AFTER_MS = 5000;

export interface ServerOptions extends Omit<UpgradeOptions, 'isLast'>, Omit<RequestOptions, 'reading' | 'isUpgraded'> {
  /** `GATEWAY_DRAIN_SECONDS`, in milliseconds. */
  readonly drainMs: number;
  /** How long a head may take; default: half a minute. */
  readonly headMs?: number;
  /** How long new requests are still taken once it has been told to end; default: 5 s. */
  readonly refuseAfterMs?: number;
}

export interface Server {
  /** Where requests come in. @throws {UnavailableError} to those that should ask another process. */
  admit(request: GatewayRequest): void;
  /** @throws {Error} when the port is taken. @returns where it listens. */
  listen(port: number, host: string): Promise<AddressInfo>;
  /**
   * New requests are refused after 5 s, what is under way goes on for `drainMs`, and then ends in its dialect. Resolves
   * when the last one is over.
   */
  drain(): Promise<void>;
  /** The same without waiting for anything. */
  stop(): Promise<void>;
}

const wait = (ms: number) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return { promise, release: () => clearTimeout(timer) };
};

/** The gateway as an HTTP server: one process for all families, which holds its sockets. */
export const createServer = (options: ServerOptions): Server => {
  const { drainMs, marginMs, headMs = HEAD_MS, refuseAfterMs = REFUSE_AFTER_MS } = options;
  const underWay = new Set<Deadline>();
  let allOver = Promise.withResolvers<void>();
  let state: 'open' | 'draining' | 'refusing' = 'open';

  const respondOptions: UpgradeOptions = { ...options, isLast: () => state !== 'open' };
  const upgrade = createUpgrades(respondOptions);

  const track = async (
    message: IncomingMessage,
    how: Pick<RequestOptions, 'reading' | 'isUpgraded'>,
    serve: (request: GatewayRequest) => Promise<void>,
  ) => {
    // A fault of ours in one request costs that one its connection, and never the process.
    try {
      const { request, release } = toGatewayRequest(message, { ...options, ...how });
      underWay.add(request.deadline);
      try {
        await serve(request);
      } finally {
        release();
        underWay.delete(request.deadline);
        if (underWay.size === 0) allOver.resolve();
      }
    } catch (error) {
      log('error', 'unexpected_error', { error: error instanceof Error ? error.stack : String(error) });
      message.socket.destroy();
    }
  };

  const serve = (message: IncomingMessage, response: ServerResponse<IncomingMessage>, reading: () => void) =>
    track(message, { reading }, (request) => respond(message, response, request, respondOptions));

  const server = createHttpServer({
    shouldUpgradeCallback: isSession,
    headersTimeout: headMs,
    // Of a whole request: a large body may take its time, as long as it comes.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(LOOK_MS, headMs),
    noDelay: true,
  });
  server.on('request', (message, response) => void serve(message, response, () => {}));
  server.on('checkContinue', (message, response) => void serve(message, response, () => response.writeContinue()));
  // No other expectation is defined (RFC 9110 10.1.1), and what is unknown need not be met.
  server.on('checkExpectation', (message, response) => void serve(message, response, () => {}));
  server.on('upgrade', (message, socket, early) => {
    const reading = () => {};
    void track(message, { reading, isUpgraded: true }, (request) => upgrade(message, socket, early, request));
  });
  server.on('clientError', answerClientError);

  /** At most so long. */
  const untilOver = async (ms: number): Promise<void> => {
    if (underWay.size === 0) return;
    allOver = Promise.withResolvers();
    const { promise, release } = wait(ms);
    await Promise.race([allOver.promise, promise]);
    release();
  };
  const close = () => {
    state = 'refusing';
    server.close();
    server.closeIdleConnections();
  };
  const end = async () => {
    close();
    for (const deadline of underWay)
      deadline.abort(new TimeoutError('The gateway was shut down before the worker had finished.'));
    await untilOver(Math.max(marginMs, LOOK_MS));
    server.closeAllConnections();
  };

  return {
    admit({ match }) {
      // Refused: on a connection that was kept.
      if (state === 'refusing' || (state === 'draining' && match?.endpoint.isReadiness))
        throw new UnavailableError('This process is shutting down.');
    },
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject).listen(port, host, () => {
          server.off('error', reject);
          resolve(server.address() as AddressInfo);
        });
      }),
    async drain() {
      state = 'draining';
      const refuseMs = Math.min(refuseAfterMs, drainMs);
      await wait(refuseMs).promise;
      close();
      await untilOver(drainMs - refuseMs);
      await end();
    },
    stop: end,
  };
};
