import { expect, test } from '@jest/globals';
import { fuzzHeads } from '../chaos/fuzz-heads.ts';
import { fuzzRequests } from '../chaos/fuzz-requests.ts';
import { fuzzStreams } from '../chaos/fuzz-streams.ts';

/** The short form of `npm run chaos`: another seed every time, which a failure names. */
const seed = Date.now() % 1_000_000;

test(`requests of every kind (seed ${seed})`, async () => {
  const { problems, reached, outcomes } = await fuzzRequests({ inputs: 2500, seed });
  expect(problems).toEqual([]);
  expect(reached).toBeGreaterThan(200);
  expect(Object.keys(outcomes).length).toBeGreaterThan(4);
}, 60_000);

test(`heads of workers: names, values and codings of every kind (seed ${seed})`, async () => {
  const { problems, outcomes } = await fuzzHeads({ inputs: 1500, seed });
  expect(problems).toEqual([]);
  for (const status of [200, 204, 304, 400, 502]) expect(outcomes[status]).toBeGreaterThan(20);
}, 60_000);

test(`streams of workers, framed, cut and ended in every way (seed ${seed})`, async () => {
  const { problems, outcomes } = await fuzzStreams({ inputs: 1500, seed });
  expect(problems).toEqual([]);
  for (const ending of ['whole', 'error', 'broken']) expect(outcomes[ending]).toBeGreaterThan(20);
}, 60_000);
