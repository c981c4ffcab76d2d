import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { findEndpoint } from '../../../../lib/endpoints/index.ts';
import type { Reply } from '../../../../lib/http/reply.ts';
import { withFallback } from '../../../../lib/inference/fallback.ts';
import { createDeadline } from '../../../../lib/time/deadline.ts';
import { until } from '../../../support/until.ts';

const show = findEndpoint('/api/show')?.endpoint;
if (show?.kind !== 'forwarded') throw new Error('no /api/show');
const endpoint = show;
const snapshot: Snapshot = { workers: [], exposeNodeHeader: false, apiKeys: [], adminKeys: [], aliases: {} };
const requestUntil = (deadline: GatewayRequest['deadline']) =>
  ({ deadline, body: { model: 'm' } }) as unknown as GatewayRequest;
const asking = (infer: (deadline: GatewayRequest['deadline']) => Promise<Reply>) =>
  withFallback(
    (_, { deadline }) => infer(deadline),
    () => false,
  );

describe('the signal that workers are asked under', () => {
  test('aborts with the request, before the answer and in the middle of it', async () => {
    for (const isEarly of [true, false]) {
      const deadline = createDeadline(60_000, 0);
      const reason = new Error('over');
      if (isEarly) deadline.abort(reason);
      let seen: AbortSignal | undefined;
      const reply = await asking(async ({ signal }) => {
        seen = signal;
        return { status: 200, headers: {} };
      })({ endpoint, params: {} }, requestUntil(deadline), snapshot);
      expect(reply).toMatchObject({ status: 200 });
      deadline.abort(reason);
      expect([seen?.aborted, seen?.reason]).toEqual([true, reason]);
      deadline.clear();
    }
  });

  test('goes with its request, though somebody still listens to it', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    let seen: WeakRef<AbortSignal> | undefined;
    const ask = async () => {
      const deadline = createDeadline(60_000, 0);
      const infer = asking(async (trial) => {
        const { signal } = trial;
        // As whoever asks a worker does, who knows the request.
        signal.addEventListener('abort', () => trial.clear());
        seen = new WeakRef(signal);
        return { status: 200, headers: {} };
      });
      await infer({ endpoint, params: {} }, requestUntil(deadline), snapshot);
      deadline.clear();
    };
    await ask();
    const isGone = () => {
      collectGarbage();
      return seen?.deref() === undefined;
    };
    expect(await until(isGone, 5000)).toBe(true);
  });
});
