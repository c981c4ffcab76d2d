import type { IncomingMessage } from 'node:http';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { dialectOf, familyFor, findEndpoint } from '../endpoints/index.ts';
import { readTarget } from '../http/request-target.ts';
import { createDeadline } from '../time/deadline.ts';
import { readBody } from './request-body.ts';
import type { Arrival, Room } from './room.ts';
import { readUpgrade } from './upgrade.ts';

export interface RequestOptions {
  /** `GATEWAY_REQUEST_SECONDS`, in milliseconds: what Lambda's time-out is to a function. */
  readonly requestMs: number;
  /** `GATEWAY_DEADLINE_MARGIN_MS`. */
  readonly marginMs: number;
  readonly room: Room;
  /** A request begins at a worker. @returns tells that it is over there. */
  readonly begin: (workerId: string) => () => void;
  /** How long no byte of a body may come; default: half a minute. */
  readonly silentMs?: number | undefined;
  /** How long every body may take its time; default: ten seconds. */
  readonly graceMs?: number | undefined;
  /** Whether it is to go on as a WebSocket. */
  readonly isUpgraded?: boolean;
  /** Called when the body is about to be read: a client that asked whether to send it is told so. */
  readonly reading: () => void;
}

/** Node joins repeated headers as HTTP does, except `set-cookie`, which no request has. */
const headersOf = ({ headers, socket }: IncomingMessage): Record<string, string> => {
  const joined = headers as Record<string, string>;
  // A load balancer in front says which scheme the client used; without one it is this connection's.
  joined['x-forwarded-proto'] ??= 'encrypted' in socket ? 'https' : 'http';
  return joined;
};

/** @returns the same request as Lambda would have delivered it, its body still to be read; and how to let go of it. */
export const toGatewayRequest = (
  message: IncomingMessage,
  { requestMs, marginMs, room, begin, silentMs, graceMs, reading, isUpgraded }: RequestOptions,
): { readonly request: GatewayRequest; readonly release: () => void } => {
  const { path, query, host } = readTarget(message.url ?? '/');
  const headers = headersOf(message);
  const upgrade = isUpgraded ? readUpgrade(headers) : undefined;
  const match = findEndpoint(path);
  const family = familyFor(match, path);
  const deadline = createDeadline(requestMs, marginMs);
  let body: Buffer = Buffer.alloc(0);
  let parsed: unknown;
  let held = 0;
  let leaveWorker = () => {};
  const hold = (bytes: number) => {
    room.take(bytes);
    held += bytes;
  };
  const giveBack = () => {
    room.give(held);
    held = 0;
  };
  /** Its room is wanted at once, not when the client has been told. */
  const expect = ({ isSlow, giveUp }: Arrival) =>
    room.expect({
      isSlow,
      giveUp() {
        giveUp();
        giveBack();
      },
    });
  const request: GatewayRequest = {
    id: '',
    family,
    method: message.method ?? 'GET',
    match,
    dialect: dialectOf({ match, path, headers, family }),
    path,
    query,
    headers,
    cookies: [],
    // Text is made of the bytes only where somebody looks; without a body there is none, as on Lambda.
    get body() {
      if (body.length > 0) parsed ??= body.toString();
      return parsed;
    },
    set body(value) {
      parsed = value;
    },
    isBase64Encoded: false,
    bytes: () => body,
    sourceIp: message.socket.remoteAddress ?? '',
    host: host ?? headers.host ?? '',
    deadline,
    onHead: [],
    afterwards: [],
    ...(upgrade && { upgrade }),
    hold,
    occupies(workerId) {
      leaveWorker();
      leaveWorker = begin(workerId);
    },
    async receive(maxBytes) {
      const read = await readBody(message, { maxBytes, hold, expect, reading, deadline, silentMs, graceMs });
      if (typeof read === 'number') return read;
      body = read;
      return read.length;
    },
  };
  const release = () => {
    deadline.clear();
    leaveWorker();
    giveBack();
  };
  return { request, release };
};
