import { type Dialled, dial } from '../support/dial.ts';

/** What a port's backlog takes at a time. */
const AT_ONCE = 200;

/** So many connections, opened a few at a time. @param enter is awaited for each. */
export const gather = async (
  count: number,
  port: number,
  enter: (client: Dialled, number: number) => Promise<unknown> | unknown,
): Promise<readonly Dialled[]> => {
  const clients: Dialled[] = [];
  while (clients.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, async (_, at) => {
      const client = await dial(port);
      await enter(client, clients.length + at);
      return client;
    });
    clients.push(...(await Promise.all(some)));
  }
  return clients;
};

/** Each says one more byte a second, until all are gone or it is stopped. @returns stops it. */
export const drip = (clients: readonly Dialled[], byte: string): (() => void) => {
  const timer = setInterval(() => {
    for (const client of clients) client.say(byte);
  }, 1000);
  return () => clearInterval(timer);
};

/** What each heard, and after how long its connection was closed, in milliseconds. */
export const closings = (
  clients: readonly Dialled[],
  since: number,
): Promise<readonly { readonly heard: string; readonly ms: number }[]> =>
  Promise.all(
    clients.map(async ({ closed }) => {
      const heard = await closed;
      return { heard, ms: performance.now() - since };
    }),
  );

/** The shortest and longest of them in words. */
export const span = (all: readonly { readonly ms: number }[]): string => {
  const times = all.map(({ ms }) => ms / 1000);
  return `${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)} s`;
};
