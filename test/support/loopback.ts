import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Place {
  /** Default 127.0.0.1; any 127.0.0.x, as ECS tasks differ in address only. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
}

/** Listens on this machine. @returns the base URL, and how to end the server with its connections. */
export const listenOnLoopback = async (
  server: Server,
  { host = '127.0.0.1', port = 0 }: Place = {},
): Promise<{ url: string; close: () => Promise<void> }> => {
  await new Promise<void>((resolve) => server.listen(port, host, () => resolve()));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
};
