import { describe, expect, test } from '@jest/globals';
import { type ScaledService, sleepersOf } from '../../../../lib/discovery/scaled-service.ts';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { createSleepers } from '../../../../lib/inference/sleepers.ts';
import type { Need } from '../../../../lib/router/candidates.ts';
import { createDeadline } from '../../../../lib/time/deadline.ts';
import type { Worker } from '../../../../lib/worker.ts';
import { serviceOf, workerOf } from '../scripted-fleet.ts';

/** docs/contract.md 11 and 13: whose turn it is, awake or asleep, native or translated. */
const worker = (id: string, more: Partial<Worker> = {}) => workerOf(id, { engine: 'vllm', models: ['m'], ...more });
const named = (name: string, more: Partial<ScaledService> = {}) => serviceOf({ name, engine: 'vllm', ...more });

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
    expect(candidates([named('translated'), named('native', native)], [])).toEqual(['native', 'translated']));

  test.each<[string, readonly Worker[], string[]]>([
    ['a native worker that names it', [worker('a', native)], []],
    ['a translated one that names it', [worker('a')], []],
    ['one that may have it', [worker('a', { models: ['*'] })], ['native']],
    ['one whose list could not be read', [worker('a', { models: undefined })], ['native']],
    ['one that names it and is not healthy', [worker('a', { status: 'unhealthy' })], ['native']],
    ['one that drains', [worker('a', { status: 'draining', scaledBy: 'native' })], ['native']],
    ['one that names it and cannot be asked', [worker('a', { engine: 'openai' })], ['native']],
  ])('beside %s', (_what, workers, expected) =>
    expect(candidates([named('native', native)], workers)).toEqual(expected),
  );

  test.each<[string, Partial<ScaledService>, Partial<Need>]>([
    ['that does not name the model', { models: ['other'] }, {}],
    ['whose models nobody knows', { models: [] }, {}],
    ['that may have any', { models: ['*'] }, {}],
    ['that cannot be asked', { engine: 'localai' }, { operation: 'count_tokens', translates: undefined }],
    ['when no model is named', {}, { model: undefined }],
  ])('one %s is no candidate', (_what, more, need) => expect(candidates([named('one', more)], [], need)).toEqual([]));

  test('one with a healthy worker does not sleep', () =>
    expect(candidates([named('one', { state: 'awake' })], [worker('a', { scaledBy: 'one' })])).toEqual([]));
});
