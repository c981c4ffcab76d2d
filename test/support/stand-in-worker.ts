import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { timeLimit } from '../../lib/time/time-limit.ts';
import type { Asked } from './worker/answer.ts';
import { answerTo } from './worker/answers.ts';
import { type Behaviour, combine, ordinary } from './worker/behaviours.ts';
import { type EngineName, engineAnswer, ownerOf } from './worker/engine.ts';
import { type Connection, type RecordedRequest, recordRequest } from './worker/recording.ts';
import { createSlots } from './worker/slots.ts';

export interface StandInOptions {
  /** Goes into the content of every answer, and into the response header `x-stand-in`. */
  readonly name: string;
  /** Listed models, default `['test-model']`; `'*'` as the only one accepts any. An unlisted model is answered 404. */
  readonly models?: readonly string[];
  /** Whose health, identity and load endpoints it has; default `localai`. Inference endpoints are all there always. */
  readonly engine?: EngineName;
  /** Default 127.0.0.1; any 127.0.0.x, as ECS tasks differ in address only. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** Requests worked on at once, the others wait in order; default: no limit. */
  readonly slots?: number;
  /** Milliseconds of work before an answer begins; default none. */
  readonly workMs?: (request: RecordedRequest) => number;
  /** Connections idle for so long are closed without a word (no `Keep-Alive` hint either), as uvicorn does. */
  readonly idleCloseMs?: number;
}

/** Chooses how to treat a request; undefined: the ordinary way. */
export type Treatment = (request: RecordedRequest) => Behaviour | undefined;

export interface StandIn extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly engine: EngineName;
  readonly models: () => readonly string[];
  /** Inference requests in order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** Health, identity, load and model-list requests. */
  readonly probes: readonly RecordedRequest[];
  /** Treats the next requests, one behaviour each, before `behave` is asked. */
  readonly next: (...behaviours: readonly Behaviour[]) => void;
  /**
   * A standing treatment; undefined returns to the ordinary. A behaviour is for inference requests; a function is asked
   * about every request, health and model lists included.
   */
  readonly behave: (treatment: Treatment | Behaviour | undefined) => void;
  /** Fulfilled with the first inference request, past or to come, that matches. */
  readonly arrival: (matches?: (request: RecordedRequest) => boolean) => Promise<RecordedRequest>;
  /** Forgets what was recorded and every treatment. */
  readonly reset: () => void;
  /** Overrides what it reports; undefined reports its real state again. */
  readonly report: (
    state: { running?: number; waiting?: number; served?: number; healthy?: boolean } | undefined,
  ) => void;
  readonly setModels: (models: readonly string[]) => void;
  readonly openConnections: () => number;
  /** Stops listening and drops every connection: refused from now on, until `listen`. */
  readonly refuse: () => Promise<void>;
  readonly listen: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Starts an inference worker that answers every endpoint of docs/contract.md section 1, recorded and programmable. */
export const startWorker = async (options: StandInOptions): Promise<StandIn> => {
  const { name, engine = 'localai', host = '127.0.0.1' } = options;
  const owner = ownerOf[engine];
  let models = options.models ?? ['test-model'];
  let reported: Parameters<StandIn['report']>[0];
  let treatment: Treatment | undefined;
  const queue: Behaviour[] = [];
  const requests: RecordedRequest[] = [];
  const probes: RecordedRequest[] = [];
  const waiters = new Set<(request: RecordedRequest) => void>();
  const slots = createSlots(options.slots ?? Number.POSITIVE_INFINITY);
  const sockets = new Map<Socket, Connection>();
  let connections = 0;
  let port = options.port ?? 0;

  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
  server.timeout = 0;
  server.on('connection', (socket) => {
    connections += 1;
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    sockets.set(socket, { number: connections, used: false, closed, turn: 0 });
    void closed.then(() => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });

  const probeState = () => ({
    healthy: true,
    running: slots.running(),
    waiting: slots.waiting(),
    served: slots.served(),
    slots: options.slots ?? 4,
    ...reported,
  });

  server.on('request', async (message, response) => {
    response.on('error', () => undefined);
    const connection = sockets.get(message.socket);
    if (!connection) return;
    connection.idle?.();
    connection.turn += 1;
    const { turn } = connection;
    try {
      const { recorded, files, exchange } = await recordRequest(message, response, connection);
      const path = decodeURIComponent(recorded.path.split('?', 1)[0] ?? '/');
      const { method, headers, fields } = recorded;
      const origin = `http://${host}:${port}`;
      const asked: Asked = { name, method, path, headers, fields, files, models, owner, origin };
      response.setHeader('x-stand-in', name);
      const probe = engineAnswer(engine, probeState(), asked);
      if (probe || method === 'GET' || method === 'HEAD') {
        probes.push(recorded);
        const treated = treatment?.(recorded) ?? {};
        const answer = probe ?? answerTo(asked);
        return await (treated.deliver ?? ordinary.deliver)?.(exchange, treated.change?.(answer) ?? answer);
      }
      requests.push(recorded);
      for (const waiter of waiters) waiter(recorded);
      const behaviour = combine(ordinary, queue.shift() ?? treatment?.(recorded) ?? {});
      await slots.occupy(exchange.gone, async () => {
        const work = options.workMs?.(recorded) ?? 0;
        if (work > 0) await new Promise((resolve) => setTimeout(resolve, work));
        const answer = answerTo(asked);
        if (!response.destroyed) await behaviour.deliver?.(exchange, behaviour.change?.(answer) ?? answer);
      });
    } catch (error) {
      response.destroy(error as Error);
    } finally {
      // The next request may be here before this one's end has been told.
      if (options.idleCloseMs !== undefined && turn === connection.turn) {
        // As uvicorn reads what has arrived before it looks at the clock.
        connection.idle = timeLimit(options.idleCloseMs, () => message.socket.destroy());
      }
    }
  });

  const listen = async () => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    port = (server.address() as AddressInfo).port;
  };
  const refuse = async () => {
    if (!server.listening) return;
    const stopped = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets.keys()) socket.destroy();
    await stopped;
  };
  await listen();

  return {
    name,
    url: `http://${host}:${port}`,
    port,
    engine,
    models: () => models,
    requests,
    probes,
    next: (...behaviours) => void queue.push(...behaviours),
    behave: (given) => {
      treatment = typeof given === 'object' ? ({ method }) => (method === 'POST' ? given : undefined) : given;
    },
    arrival: (matches = () => true) => {
      const past = requests.find(matches);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => {
        const waiter = (request: RecordedRequest) => {
          if (!matches(request)) return;
          waiters.delete(waiter);
          resolve(request);
        };
        waiters.add(waiter);
      });
    },
    reset: () => {
      requests.length = 0;
      probes.length = 0;
      queue.length = 0;
      treatment = undefined;
    },
    report: (state) => {
      reported = state;
    },
    setModels: (given) => {
      models = given;
    },
    openConnections: () => sockets.size,
    refuse,
    listen,
    close: refuse,
    [Symbol.asyncDispose]: refuse,
  };
};
