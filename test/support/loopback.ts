import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Listens at a free port of this machine. @returns the base URL, and how to end the server with its connections. */
export const listenOnLoopback = async (server: Server): Promise<{ url: string; close: () => Promise<void> }> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
};
