import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Address } from './address.ts';
import { builtin } from './builtin.ts';

/** Workers close idle sockets, uvicorn after 5 s; ours are given up a second earlier, by the wall clock. */
const IDLE_SOCKET_MS = 4000;
const idleSince = new WeakMap<Socket, number>();

/** @returns a pool of kept-alive connections per protocol, which hands out none that has been idle for too long. */
export const createAgents = (): ((address: Address) => Agent) => {
  const agents = new Map<string, Agent>();
  return ({ protocol, isSecure }) => {
    let agent = agents.get(protocol);
    if (!agent) {
      const { Agent } = isSecure ? builtin.https() : builtin.http();
      agent = new Agent({ keepAlive: true });
      agent.on('free', (socket: Socket) => idleSince.set(socket, Date.now()));
      agents.set(protocol, agent);
    }
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) {
        if (Date.now() - (idleSince.get(socket) ?? 0) > IDLE_SOCKET_MS) socket.destroy();
      }
    }
    return agent;
  };
};
