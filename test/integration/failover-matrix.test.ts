import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { INFERENCE } from '../../lib/endpoints/family.ts';
import { endingOf } from '../support/endings.ts';
import { type Gateway, standInServes, startGateway, type WorkerSetting } from '../support/gateway.ts';
import { operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { type Behaviour, cut, firstEventError, reply, stallAfter } from '../support/worker/behaviours.ts';

/**
 * Issue "Discovery ... failover": one bad worker of two, healthy by its health path; 500 requests over all families, of
 * which none may fail, and few may even meet it.
 */
const REQUESTS = 500;
const FIRST = 5;
const refused = 'refused';
const kinds: readonly [kind: string, fault: Behaviour | typeof refused, isSseOnly?: boolean][] = [
  ['refused', refused],
  ['reset', cut('before-head')],
  ['no head', stallAfter(-1)],
  ['head without body', stallAfter(0)],
  ['429', reply(429, { error: 'busy' }, { 'retry-after': '30' })],
  ['502', reply(502, 'bad gateway')],
  ['503', reply(503, { error: 'not now' })],
  ['504', reply(504, '')],
  ['first event an error', firstEventError({ error: { message: 'no', code: 503 } }), true],
];
/** Node ids of their own for every kind: an environment remembers which ones failed. */
const slug = (kind: string) => kind.replaceAll(' ', '-');

let bad: StandIn;
let good: StandIn;
let gateway: Gateway;

beforeAll(async () => {
  [bad, good] = [await startWorker({ name: 'bad', models: ['*'] }), await startWorker({ name: 'good', models: ['*'] })];
  const nowhere = await startWorker({ name: 'nowhere' });
  await nowhere.close();
  const standIn = { engine: 'localai', serves: standInServes };
  const workers = kinds.flatMap(([kind, fault]): WorkerSetting[] => [
    { id: `bad-${slug(kind)}`, url: fault === refused ? nowhere.url : bad.url, models: [slug(kind)], ...standIn },
    { id: `good-${slug(kind)}`, url: good.url, models: [slug(kind)], ...standIn },
  ]);
  // By chance, since affinity may never send a conversation to the bad one. One environment a family: whose request was
  // whose, and which came first, is then known.
  const env = { GATEWAY_POLICY: 'random', GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '2' };
  gateway = await startGateway({ workers, env, limits: { maxEnvironments: 1 } });
});
afterAll(() => Promise.all([gateway?.close(), bad?.close(), good?.close()]));

interface Line {
  readonly correlation_id: string;
  readonly attempts: number;
  readonly node_id: string;
}
/** The log lines of a kind's requests, in the order in which they were served. */
const linesOf = (kind: string): Line[] =>
  gateway.logs
    .filter((line) => line.includes(`"correlation_id":"${slug(kind)}.`))
    .map((line) => JSON.parse(line.slice(line.indexOf('{'))) as Line);

describe.each(kinds)('one bad worker of two: %s', (kind, fault, isSseOnly) => {
  const model = slug(kind);
  const cases = operations.flatMap((one) =>
    (one.streams ? [true, false] : [false]).map((stream) => ({ one, stream: stream && one.streams !== 'binary' })),
  );
  const fitting = cases.filter(({ one, stream }) => !isSseOnly || (stream && one.streams === 'sse'));
  const families = INFERENCE.filter((family) => fitting.some(({ one }) => one.family === family));
  const each = Math.ceil(REQUESTS / families.length);

  test(`${each} requests for each of ${families.length} families: none fails`, async () => {
    bad.reset();
    good.reset();
    bad.behave(fault === refused ? {} : fault);
    expect((await fetch(`${bad.url}/readyz`)).status).toBe(200);

    const wrong: unknown[] = [];
    const client = async (family: (typeof families)[number]) => {
      const its = fitting.filter(({ one }) => one.family === family);
      for (let n = 0; n < each; n += 1) {
        const { one, stream } = its[n % its.length] as (typeof its)[number];
        const received = await gateway.fetch(pathOf(one, model), {
          headers: { 'x-request-id': `${model}.${family}.${n}` },
          body: one.body(model, stream),
        });
        const answered = [received.headers['x-localai-node'], received.headers['x-stand-in']].join();
        const isFine =
          received.status === 200 && endingOf(one, received) === 'whole' && answered === `good-${model},good`;
        if (!isFine) wrong.push([one.name, n, received.status, answered, received.text.slice(0, 200)]);
      }
    };
    await Promise.all(families.map(client));
    expect(wrong).toEqual([]);

    expect(await until(() => linesOf(kind).length === each * families.length)).toBe(true);
    const met = linesOf(kind).filter(({ attempts }) => attempts > 1);
    // Chance alone would have sent it half of all.
    expect(met.length).toBeGreaterThan(0);
    for (const family of families) {
      const later = met.filter(({ correlation_id: id }) => {
        const [, of, n] = id.split('.');
        return of === family && Number(n) >= FIRST;
      });
      expect([family, later.length < 0.05 * (each - FIRST)]).toEqual([family, true]);
      expect(gateway.environments(family)).toHaveLength(1);
    }
    process.stdout.write(`${kind}: ${each * families.length} requests, none failed, ${met.length} met the bad one\n`);
  }, 120_000);
});
