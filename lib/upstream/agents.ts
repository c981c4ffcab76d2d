import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Address } from './address.ts';
import { builtin } from './builtin.ts';

/** Workers close idle sockets, uvicorn after 5 s; ours are given up a second earlier, by the wall clock. */
const IDLE_SOCKET_MS = 4000;

function ruin(this: Socket) {
  this.destroy();
}

/** The event loop looks at every connection between two immediates. */
const polled = (then: () => void): void => void setImmediate(() => setImmediate(then));

/** Kept-alive connections to workers. */
interface Pool {
  readonly agent: Agent;
  /** Closes what has been idle for too long. @returns whether any connection is left that could be used again. */
  look(): boolean;
}

/** What Node's agent does with a connection that has become free: keeps or closes it. */
type Park = (socket: Socket, options: object) => void;

/**
 * Connections that say something while they are idle are closed: recent releases of Node do so by themselves. One that
 * has just answered rests, until what its worker may have said right behind the answer was looked at: where many
 * requests are under way the next one would be written on it in the same turn.
 */
const createPool = ({ isSecure }: Address): Pool => {
  const { Agent } = isSecure ? builtin.https() : builtin.http();
  const agent = new Agent({ keepAlive: true });
  const idleSince = new WeakMap<Socket, number>();
  const isOld = (socket: Socket) => Date.now() - (idleSince.get(socket) ?? 0) > IDLE_SOCKET_MS;
  let resting = 0;
  const [park] = agent.listeners('free') as [Park];
  agent.off('free', park).on('free', (socket: Socket, options: object) => {
    if (socket.readableLength > 0) return socket.destroy();
    idleSince.set(socket, Date.now());
    socket.on('data', ruin).on('end', ruin).on('error', ruin);
    resting += 1;
    polled(() => {
      resting -= 1;
      // An environment may have been frozen meanwhile.
      if (isOld(socket)) socket.destroy();
      else park.call(agent, socket, options);
    });
  });
  // Where Node lets an agent decide: https://nodejs.org/docs/latest-v24.x/api/http.html#agentreusesocketsocket-request
  const { reuseSocket } = agent as unknown as { reuseSocket(socket: Socket, request: unknown): void };
  Object.assign(agent, {
    reuseSocket(socket: Socket, request: unknown) {
      socket.off('data', ruin).off('end', ruin).off('error', ruin);
      reuseSocket.call(agent, socket, request);
    },
  });
  return {
    agent,
    look() {
      let isIdle = resting > 0;
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of sockets ?? []) {
          if (isOld(socket)) socket.destroy();
          else isIdle = true;
        }
      }
      return isIdle;
    },
  };
};

/**
 * @returns gives a pool of kept-alive connections per protocol, which hands out none that has been idle for too long.
 *   Where some are idle it waits until what had arrived on them was looked at: an environment that was frozen has not
 *   yet seen that they ended, or bytes that nobody asked for, which the next request would take for its answer.
 */
export const createAgents = (): ((address: Address) => Promise<Agent>) => {
  const pools = new Map<string, Pool>();
  return async (address) => {
    let pool = pools.get(address.protocol);
    if (!pool) {
      pool = createPool(address);
      pools.set(address.protocol, pool);
    }
    if (pool.look()) await new Promise<void>(polled);
    return pool.agent;
  };
};
