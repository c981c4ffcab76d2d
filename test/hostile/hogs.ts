import { setTimeout as pause } from 'node:timers/promises';
import { fetchAll } from '../support/http.ts';
import { operation, pathOf } from '../support/operations.ts';
import { drip, gather } from './crowd.ts';
import type { House, Report } from './house.ts';

const model = 'test-model';
const chat = operation('chat');
/** Ten seconds of grace, and some to notice. */
const LIMIT_MS = 15_000;

/**
 * Clients that announce bodies which take all room there is, and send a byte a second.
 * @param roomBytes `GATEWAY_BUFFERED_BYTES` of the house.
 */
export const hogs = async (house: House, roomBytes: number): Promise<Report> => {
  const count = 10;
  const length = Math.floor(roomBytes / count);
  const clients = await gather(count, house.port, (client) =>
    client.say(
      `POST ${pathOf(chat, model)} HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n{`,
    ),
  );
  const stop = drip(clients, ' ');
  const since = performance.now();
  const content = 'x'.repeat(length / 2);
  let refused = 0;
  let admittedMs: number | undefined;
  while (admittedMs === undefined && performance.now() - since < LIMIT_MS) {
    const body = { model, messages: [{ role: 'user', content }] };
    const { status } = await fetchAll(house.origin + pathOf(chat, model), { body });
    if (status === 200) admittedMs = performance.now() - since;
    else refused += 1;
    await pause(250);
  }
  stop();
  const ended = clients.filter(({ heard }) => heard().startsWith('HTTP/1.1 408')).length;
  for (const client of clients) client.leave();
  return {
    title: `${count} bodies that take all room, a byte a second`,
    lines: [
      `a body of ${(length / 2e6).toFixed(1)} MB beside them: ${refused} times 503, taken after ${((admittedMs ?? 0) / 1000).toFixed(1)} s; ${ended} of them had to make way (408)`,
    ],
    problems: [
      ...(admittedMs === undefined ? ['they keep all others out'] : []),
      ...(ended > 1 ? ['more made way than had to'] : []),
    ],
  };
};
