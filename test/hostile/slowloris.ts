import { closings, drip, gather, span } from './crowd.ts';
import { type House, type Report, resident, unharmed } from './house.ts';

const statusOf = (heard: string) => /^HTTP\/1\.1 (\d+)/.exec(heard)?.[1] ?? 'nothing';
const statuses = (all: readonly { readonly heard: string }[]) =>
  [...new Set(all.map(({ heard }) => statusOf(heard)))].join(', ');
const lateOnes = (what: string, all: readonly { readonly ms: number }[], limitMs: number): readonly string[] => {
  const late = all.filter(({ ms }) => ms > limitMs).length;
  return late === 0 ? [] : [`${late} ${what} were closed late`];
};

/** What is left of a refused body is read so long, and no longer, so that its client hears why. */
const LINGER_MS = 30_000;

/** Heads that come a byte a second and never end. */
export const slowHeads = async (house: House, count: number): Promise<Report> => {
  const before = house.residentMB();
  const since = performance.now();
  const { came, others } = await house.beside(async () => {
    const clients = await gather(count, house.port, (client) =>
      client.say('GET / HTTP/1.1\r\nhost: gateway.test\r\nx-slow: '),
    );
    const stop = drip(clients, 'x');
    const closed = await closings(clients, since);
    stop();
    return closed;
  });
  return {
    title: `${count} heads, a byte a second`,
    lines: [`closed after ${span(came)} with ${statuses(came)}`, resident(before, others), others.line],
    problems: [...lateOnes('heads', came, 40_000), ...unharmed(others)],
  };
};

/**
 * Bodies that are announced: half of them come a byte a second, of the other half nothing comes.
 * @param requestMs `GATEWAY_REQUEST_SECONDS` of the house, in milliseconds: more than half a minute.
 */
export const slowBodies = async (
  house: House,
  { count, requestMs }: { readonly count: number; readonly requestMs: number },
): Promise<Report> => {
  const before = house.residentMB();
  const since = performance.now();
  const { came, others } = await house.beside(async () => {
    const clients = await gather(count, house.port, (client) =>
      client.say(
        'POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{',
      ),
    );
    const dripping = clients.filter((_, number) => number % 2 === 0);
    const stop = drip(dripping, ' ');
    const [slow, silent] = await Promise.all([
      closings(dripping, since),
      closings(
        clients.filter((_, number) => number % 2 === 1),
        since,
      ),
    ]);
    stop();
    return { slow, silent };
  });
  return {
    title: `${count} bodies of 1 MB, of half of them a byte a second, of the others nothing`,
    lines: [
      `the silent ones are closed after ${span(came.silent)} with ${statuses(came.silent)}`,
      `the slow ones after ${span(came.slow)} with ${statuses(came.slow)} (a request may take ${requestMs / 1000} s)`,
      resident(before, others),
      others.line,
    ],
    problems: [
      ...lateOnes('silent bodies', came.silent, 45_000),
      ...lateOnes('slow bodies', came.slow, requestMs + LINGER_MS + 15_000),
      ...unharmed(others),
    ],
  };
};
