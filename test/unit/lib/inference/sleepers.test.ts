import { describe, expect, test } from '@jest/globals';
import { type ScaledService, sleepersOf } from '../../../../lib/discovery/scaled-service.ts';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { createSleepers } from '../../../../lib/inference/sleepers.ts';
import type { Need } from '../../../../lib/router/candidates.ts';
import { createDeadline } from '../../../../lib/time/deadline.ts';
import type { Worker } from '../../../../lib/worker.ts';

/** docs/contract.md 11 and 13: whose turn it is, awake or asleep, native or translated. */
const workerOf = (id: string, more: Partial<Worker> = {}): Worker => ({
  id,
  name: id,
  url: 'http://10.0.0.1',
  status: 'healthy',
  engine: 'vllm',
  models: ['m'],
  ...more,
});
const serviceOf = (name: string, more: Partial<ScaledService> = {}): ScaledService => ({
  name,
  state: 'asleep',
  since: 0,
  desired: 0,
  running: 0,
  healthy: 0,
  models: ['m'],
  engine: 'vllm',
  min: 0,
  max: 1,
  idleMinutes: 15,
  ...more,
});

/** @returns names of the services that a request is for, in order. */
const candidates = (services: readonly ScaledService[], workers: readonly Worker[], more: Partial<Need> = {}) => {
  const snapshot: Snapshot = {
    workers,
    services,
    sleepers: sleepersOf(services, workers),
    exposeNodeHeader: false,
    apiKeys: [],
    adminKeys: [],
    aliases: {},
  };
  const deadline = createDeadline(1_000, 0);
  deadline.clear();
  const sleepers = createSleepers({
    snapshot,
    need: {
      operation: 'ollama_chat',
      model: 'm',
      requestedModel: 'm',
      translates: ({ engine }) => engine === 'vllm',
      ...more,
    },
    request: { deadline } as unknown as GatewayRequest,
    limitMs: 1_000,
    source: { refreshed: async () => snapshot },
    wishes: () => Promise.reject(new Error('nobody is to be woken here')),
  });
  return sleepers.candidates.map(({ name }) => name);
};
const native = { engine: 'ollama' };

describe('services that sleep', () => {
  test('come native first, then translated', () =>
    expect(candidates([serviceOf('translated'), serviceOf('native', native)], [])).toEqual(['native', 'translated']));

  test.each<[string, readonly Worker[], string[]]>([
    ['a native worker that names it', [workerOf('a', native)], []],
    ['a translated one that names it', [workerOf('a')], []],
    ['one that may have it', [workerOf('a', { models: ['*'] })], ['native']],
    ['one whose list could not be read', [workerOf('a', { models: undefined })], ['native']],
    ['one that names it and is not healthy', [workerOf('a', { status: 'unhealthy' })], ['native']],
    ['one that drains', [workerOf('a', { status: 'draining', scaledBy: 'native' })], ['native']],
    ['one that names it and cannot be asked', [workerOf('a', { engine: 'openai' })], ['native']],
  ])('beside %s', (_what, workers, expected) =>
    expect(candidates([serviceOf('native', native)], workers)).toEqual(expected),
  );

  test.each<[string, Partial<ScaledService>, Partial<Need>]>([
    ['that does not name the model', { models: ['other'] }, {}],
    ['whose models nobody knows', { models: [] }, {}],
    ['that may have any', { models: ['*'] }, {}],
    ['that cannot be asked', { engine: 'localai' }, { operation: 'count_tokens', translates: undefined }],
    ['when no model is named', {}, { model: undefined }],
  ])('one %s is no candidate', (_what, more, need) =>
    expect(candidates([serviceOf('one', more)], [], need)).toEqual([]),
  );

  test('one with a healthy worker does not sleep', () =>
    expect(candidates([serviceOf('one', { state: 'awake' })], [workerOf('a', { scaledBy: 'one' })])).toEqual([]));
});
