import { describe, expect, test } from '@jest/globals';
import { runChaos } from '../chaos/chaos.ts';
import { huntLeaks } from '../chaos/leaks.ts';

/** The short form of `npm run chaos`: six workers, faults switched on and off at random. */
const minute = 60_000;

describe('chaos', () => {
  let failovers = 0;
  test.each([11, 12])(
    'seed %d: nothing that docs/contract.md does not allow',
    async (seed) => {
      const report = await runChaos({ requests: 600, atOnce: 16, seed });
      expect(report.problems).toEqual([]);
      expect(report.exits).toEqual([]);
      failovers += report.failovers;
      expect(report.endings.whole).toBeGreaterThan(300);
      expect(Object.keys(report.families)).toHaveLength(7);
    },
    minute,
  );

  test(
    '64 at a time: every header is its own',
    async () => {
      const report = await runChaos({ requests: 600, atOnce: 64, seed: 13 });
      expect(report.problems).toEqual([]);
      expect(report.exits).toEqual([]);
      failovers += report.failovers;
    },
    minute,
  );

  test('workers failed, and others took their requests', () => {
    expect(failovers).toBeGreaterThan(0);
  });
});

test(
  'switched off: no name of a node, worker or service in any answer',
  async () => {
    const { statuses, leaks } = await huntLeaks({ requests: 600, atOnce: 16, seed: 14 });
    expect(leaks).toEqual([]);
    for (const status of [200, 204, 302, 304, 400, 404, 405, 413, 429, 500, 502, 503, 504]) {
      expect(statuses).toHaveProperty(String(status));
    }
  },
  minute,
);
