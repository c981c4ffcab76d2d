import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Answer, Asked } from './worker/answer.ts';
import { jsonAnswer } from './worker/answer.ts';
import { anthropicAnswer } from './worker/anthropic.ts';
import { type Behaviour, combine, type Exchange, ordinary } from './worker/behaviours.ts';
import { type EngineName, engineAnswer, ownerOf } from './worker/engine.ts';
import { fieldsOf } from './worker/fields.ts';
import { mediaAnswer } from './worker/media.ts';
import { ollamaAnswer } from './worker/ollama.ts';
import { openaiAnswer } from './worker/openai.ts';
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

/** One request as it arrived, and what became of it. */
export interface RecordedRequest {
  readonly method: string;
  /** The request target as sent: path and raw query. */
  readonly path: string;
  /** Names and values in turn, as on the wire. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Parsed JSON body or multipart text fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the connection it came on; a repeated number is a reused socket. */
  readonly connection: number;
  readonly reusedSocket: boolean;
  /** `performance.now()`. */
  readonly receivedAt: number;
  /** Body bytes handed to the socket so far; with a client that does not read, what it and the kernels have taken. */
  readonly sentBytes: () => number;
  /** Body bytes of the reply; only the first megabyte is kept. */
  readonly sent: () => Buffer;
  /** `performance.now()` of the moment the connection it came on was gone. */
  readonly closed: Promise<number>;
  /** True when the reply was handed over in full, false when the connection went before. */
  readonly completed: Promise<boolean>;
}

/** Chooses how to treat a request; undefined: the ordinary way. */
export type Treatment = (request: RecordedRequest) => Behaviour | undefined;

export interface StandIn extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly port: number;
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
  readonly report: (state: { running?: number; waiting?: number; healthy?: boolean } | undefined) => void;
  readonly setModels: (models: readonly string[]) => void;
  readonly openConnections: () => number;
  /** Stops listening and drops every connection: refused from now on, until `listen`. */
  readonly refuse: () => Promise<void>;
  readonly listen: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A client's connection over its life. */
interface Connection {
  readonly number: number;
  used: boolean;
  /** `performance.now()` of its end. */
  readonly closed: Promise<number>;
  idle?: NodeJS.Timeout;
}

const kept = 1_048_576;

/** Starts an inference worker that answers every endpoint of CONTRACT.md section 1, recorded and programmable. */
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
    sockets.set(socket, { number: connections, used: false, closed });
    void closed.then(() => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });

  const receive = async (message: IncomingMessage, response: ServerResponse, connection: Connection) => {
    const { closed, used: reusedSocket } = connection;
    connection.used = true;
    const blocks: Buffer[] = [];
    for await (const block of message) blocks.push(block as Buffer);
    const body = Buffer.concat(blocks);
    const { fields, files } = await fieldsOf(message.headers, body);
    let sentBytes = 0;
    const sent: Buffer[] = [];
    const recorded: RecordedRequest = {
      method: message.method ?? '',
      path: message.url ?? '',
      rawHeaders: message.rawHeaders,
      headers: message.headers,
      body,
      fields,
      connection: connection.number,
      reusedSocket,
      receivedAt: performance.now(),
      sentBytes: () => sentBytes,
      sent: () => Buffer.concat(sent),
      closed,
      completed: new Promise((resolve) => response.once('close', () => resolve(response.writableFinished))),
    };
    const note = (bytes: Buffer) => {
      if (sentBytes < kept) sent.push(bytes);
      sentBytes += bytes.length;
    };
    return { recorded, files, exchange: { response, gone: closed, note } satisfies Exchange };
  };

  const answerTo = (asked: Asked): Answer => {
    const { model } = asked.fields;
    if (asked.method === 'POST' && typeof model === 'string' && !models.includes('*')) {
      const listed = (id: string) => id.replace(/:latest$/, '') === model.replace(/:latest$/, '');
      if (!models.some(listed)) return missing(asked, model);
    }
    const found = openaiAnswer(asked) ?? anthropicAnswer(asked) ?? ollamaAnswer(asked) ?? mediaAnswer(asked);
    return found ?? jsonAnswer({ error: { message: `no ${asked.path} here`, type: 'not_found', code: 404 } }, 404);
  };

  const probeState = () => ({
    healthy: true,
    running: slots.running(),
    waiting: slots.waiting(),
    slots: options.slots ?? 4,
    ...reported,
  });

  server.on('request', async (message, response) => {
    response.on('error', () => undefined);
    const connection = sockets.get(message.socket);
    if (!connection) return;
    clearTimeout(connection.idle);
    try {
      const { recorded, files, exchange } = await receive(message, response, connection);
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
      if (options.idleCloseMs !== undefined) {
        connection.idle = setTimeout(() => message.socket.destroy(), options.idleCloseMs);
      }
    }
  });

  const listen = async () => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => resolve());
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

const missing = ({ path }: Asked, model: string): Answer => {
  const message = `model '${model}' not found`;
  if (path.startsWith('/api/')) return jsonAnswer({ error: message }, 404);
  if (path.startsWith('/v1/messages')) {
    return jsonAnswer({ type: 'error', error: { type: 'not_found_error', message } }, 404);
  }
  return jsonAnswer({ error: { message, type: 'invalid_request_error', code: 404, param: 'model' } }, 404);
};
