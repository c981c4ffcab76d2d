import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { gather } from './crowd.ts';
import { type House, type Report, unharmed } from './house.ts';

/** A connection that does nothing must not cost more than its socket and its parser. */
const MOST_KB_EACH = 40;
/** What the heap may grow by while anything is done at all. */
const MOST_MB_MORE = 40;

/** Connections that have asked once, and stay. */
export const idleConnections = async (
  house: House,
  { count, heldMs }: { readonly count: number; readonly heldMs: number },
): Promise<Report> => {
  const before = house.residentMB();
  const problems: string[] = [];
  const { came, others } = await house.beside(async () => {
    let over = 0;
    const clients = await gather(count, house.port, async (client) => {
      client.say('GET /healthz HTTP/1.1\r\nhost: gateway.test\r\n\r\n');
      await client.until('}');
      void client.closed.then(() => {
        over += 1;
      });
    });
    await pause(heldMs);
    const full = house.residentMB();
    if (over > 0) problems.push(`${over} were closed`);
    // Each can still be used.
    const last = clients.at(-1);
    last?.say('GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n');
    if ((await last?.until('ready'))?.match(/HTTP\/1.1 200/g)?.length !== 2) problems.push('one could not be used');
    for (const client of clients) client.leave();
    await until(() => over === count, 10_000);
    await pause(Math.min(heldMs, 3000));
    return full;
  });
  const kilobytes = ((came - before) * 1024) / count;
  if (came - before > MOST_MB_MORE + (count * MOST_KB_EACH) / 1024)
    problems.push(`${kilobytes.toFixed(1)} KB a connection`);
  return {
    title: `${count} idle keep-alive connections`,
    lines: [
      `resident: ${before.toFixed(0)} MB before, ${came.toFixed(0)} MB with them (${kilobytes.toFixed(1)} KB each), ${house.residentMB().toFixed(0)} MB after they left`,
      others.line,
    ],
    problems: [...problems, ...unharmed(others)],
  };
};
