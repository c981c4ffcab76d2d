import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Address } from './address.ts';
import { builtin } from './builtin.ts';

/** Workers close idle sockets, uvicorn after 5 s; ours are given up a second earlier, by the wall clock. */
const IDLE_SOCKET_MS = 4000;

function ruin(this: Socket) {
  this.destroy();
}

/** Connections that say something while they are idle are closed: recent releases of Node do so by themselves. */
const createAgent = ({ isSecure }: Address, idleSince: WeakMap<Socket, number>): Agent => {
  const { Agent } = isSecure ? builtin.https() : builtin.http();
  const agent = new Agent({ keepAlive: true });
  // Where Node lets an agent decide: https://nodejs.org/docs/latest-v24.x/api/http.html#agentkeepsocketalivesocket
  const { keepSocketAlive, reuseSocket } = agent as unknown as {
    keepSocketAlive(socket: Socket): boolean;
    reuseSocket(socket: Socket, request: unknown): void;
  };
  const decides = {
    keepSocketAlive(socket: Socket) {
      if (socket.readableLength > 0 || !keepSocketAlive.call(agent, socket)) return false;
      idleSince.set(socket, Date.now());
      socket.on('data', ruin).on('end', ruin);
      return true;
    },
    reuseSocket(socket: Socket, request: unknown) {
      socket.off('data', ruin).off('end', ruin);
      reuseSocket.call(agent, socket, request);
    },
  };
  return Object.assign(agent, decides);
};

/** The event loop looks at every connection between two immediates. */
const polled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/**
 * @returns gives a pool of kept-alive connections per protocol, which hands out none that has been idle for too long.
 *   Where some are idle it waits until what had arrived on them was looked at: an environment that was frozen has not
 *   yet seen that they ended, or bytes that nobody asked for, which the next request would take for its answer.
 */
export const createAgents = (): ((address: Address) => Promise<Agent>) => {
  const agents = new Map<string, Agent>();
  const idleSince = new WeakMap<Socket, number>();
  return async (address) => {
    let agent = agents.get(address.protocol);
    if (!agent) {
      agent = createAgent(address, idleSince);
      agents.set(address.protocol, agent);
    }
    let isIdle = false;
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) {
        if (Date.now() - (idleSince.get(socket) ?? 0) > IDLE_SOCKET_MS) socket.destroy();
        else isIdle = true;
      }
    }
    if (isIdle) await polled();
    return agent;
  };
};
