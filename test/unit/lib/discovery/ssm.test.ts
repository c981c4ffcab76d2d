import { describe, expect, it } from '@jest/globals';
import { encodeFleet, type FleetWorker, POINTER_NAME } from '../../../../lib/discovery/fleet.ts';
import { digestKey, noKey } from '../../../../lib/discovery/keys.ts';
import { createSsmSource, type SsmSourceOptions } from '../../../../lib/discovery/ssm.ts';
import { createStaticWorkers } from '../../../../lib/discovery/static.ts';
import { UnavailableError } from '../../../../lib/errors.ts';
import { createFakeClock, settle } from '../time/fake-clock.ts';

const ttlMs = 10_000;
const seenAt = '2026-11-23T12:00:00.000Z';
const row = (id: string, service: string, more: Partial<FleetWorker> = {}): FleetWorker => ({
  id,
  name: `${service}-${id}`,
  service,
  url: 'http://10.0.0.1:8080',
  status: 'healthy',
  engine: 'vllm',
  models: ['m'],
  ...more,
});

const arrange = (options: Partial<SsmSourceOptions> = {}) => {
  const clock = createFakeClock();
  const store = new Map<string, string>();
  const calls: (readonly string[])[] = [];
  const logs: { event: string; fields?: Record<string, unknown> | undefined }[] = [];
  const state: { error?: Error | undefined } = {};
  const source = createSsmSource({
    prefix: '/gateway/test',
    ttlMs,
    exposeNodeHeader: false,
    apiKeys: [],
    adminKeys: [],
    env: {},
    clock,
    random: () => 0.5,
    log: (_level, event, fields) => void logs.push({ event, fields }),
    getParameters: async (names) => {
      calls.push(names);
      if (state.error) throw state.error;
      return new Map(names.flatMap((name) => (store.has(name) ? [[name, store.get(name) ?? '']] : [])));
    },
    ...options,
  });
  const set = (name: string, value: string) => void store.set(`/gateway/test/runtime/${name}`, value);
  let generation = 0;
  const setFleet = (...workers: FleetWorker[]) => {
    generation += 1;
    const { pointer, shards } = encodeFleet(workers, generation);
    for (const [name, value] of shards) store.set(`/gateway/test/${name}`, value);
    store.set(`/gateway/test/${POINTER_NAME}`, JSON.stringify({ ...pointer, seenAt }));
  };
  /** The snapshot after everything that is in the store now was read. */
  const fresh = async () => {
    await clock.advance(4 * ttlMs);
    return source.current();
  };
  const malformed = () =>
    logs.filter(({ event }) => event === 'parameter_malformed').map(({ fields }) => fields?.parameter);
  return { clock, store, set, setFleet, source, fresh, calls, logs, malformed, state };
};

describe('ssm source', () => {
  it('reads settings and a small fleet with one call of ten fixed names', async () => {
    const { set, setFleet, source, calls } = arrange({ apiKeys: ['env-key'] });
    set('expose-node-header', 'true\n');
    set('api-keys', 'sk-one,sk-two');
    set('admin-keys', `sha256:${digestKey('root')}`);
    set('worker-keys', '{"chat":"worker-secret"}');
    set('aliases', '{"gpt-4o":"m"}');
    setFleet(row('a', 'chat'), row('b', 'speech', { status: 'draining' }));
    expect(await source.current()).toEqual({
      exposeNodeHeader: true,
      apiKeys: ['env-key', 'sk-one', 'sk-two'].map(digestKey),
      adminKeys: [digestKey('root')],
      aliases: { 'gpt-4o': 'm' },
      workers: [
        {
          id: 'a',
          name: 'chat-a',
          url: 'http://10.0.0.1:8080',
          status: 'healthy',
          engine: 'vllm',
          models: ['m'],
          apiKey: 'worker-secret',
          lastHeartbeat: seenAt,
        },
        {
          id: 'b',
          name: 'speech-b',
          url: 'http://10.0.0.1:8080',
          status: 'draining',
          engine: 'vllm',
          models: ['m'],
          apiKey: undefined,
        },
      ],
    });
    expect(calls).toHaveLength(1);
    expect(calls[0]).toHaveLength(10);
  });

  it.each([
    [undefined, false, false],
    [undefined, true, true],
    ['true', false, true],
    ['false', true, false],
    ['yes', true, false],
    ['TRUE', true, false],
  ])('node header: parameter %j over environment %j is %j', async (parameter, exposeNodeHeader, expected) => {
    const { set, setFleet, source, malformed } = arrange({ exposeNodeHeader });
    setFleet();
    if (parameter !== undefined) set('expose-node-header', parameter);
    expect((await source.current()).exposeNodeHeader).toBe(expected);
    expect(malformed()).toEqual(
      parameter === undefined || /^(true|false)$/.test(parameter) ? [] : ['/gateway/test/runtime/expose-node-header'],
    );
  });

  it('closes on malformed keys, whatever else is configured, and opens again when they are repaired', async () => {
    const { set, setFleet, source, fresh, malformed } = arrange();
    setFleet();
    set('api-keys', 'sha256:nonsense');
    const closed = await source.current();
    expect(closed.apiKeys).toEqual([noKey]);
    expect(closed.adminKeys).toEqual([]);
    expect(malformed()).toEqual(['/gateway/test/runtime/api-keys']);
    set('api-keys', 'sk-one');
    expect((await fresh()).apiKeys).toEqual([digestKey('sk-one')]);
  });

  it('names a malformed parameter once, lets the others count, and keeps the last good aliases and worker keys', async () => {
    const { set, setFleet, source, fresh, malformed } = arrange();
    setFleet(row('a', 'chat'));
    set('aliases', '{"a":"m"}');
    set('worker-keys', '{"chat":"one"}');
    await source.current();
    set('aliases', '{"a":5}');
    set('worker-keys', 'oops');
    set('expose-node-header', 'true');
    for (let round = 0; round < 3; round += 1) {
      const snapshot = await fresh();
      expect(snapshot).toMatchObject({ aliases: { a: 'm' }, exposeNodeHeader: true });
      expect(snapshot.workers[0]?.apiKey).toBe('one');
    }
    expect(malformed()).toEqual(['/gateway/test/runtime/aliases', '/gateway/test/runtime/worker-keys']);
    set('worker-keys', '{"chat":"two"}');
    expect((await fresh()).workers[0]?.apiKey).toBe('two');
  });

  it.each(['constructor', 'toString', '__proto__'])(
    'a service called %s has no key that nobody gave it',
    async (service) => {
      const { set, setFleet, source } = arrange();
      setFleet(row('a', service));
      set('worker-keys', '{"chat":"one"}');
      expect((await source.current()).workers[0]?.apiKey).toBeUndefined();
    },
  );

  it('keeps the last fleet when its parameters are damaged or gone, with the settings following', async () => {
    const { store, set, setFleet, source, fresh, malformed } = arrange();
    setFleet(row('a', 'chat'));
    await source.current();
    store.set('/gateway/test/runtime/fleet/0', '{"half');
    set('expose-node-header', 'true');
    expect(await fresh()).toMatchObject({ exposeNodeHeader: true, workers: [{ id: 'a' }] });
    store.delete('/gateway/test/runtime/fleet/0');
    expect((await fresh()).workers).toHaveLength(1);
    expect(malformed()).toHaveLength(2);
    setFleet(row('b', 'chat'));
    expect((await fresh()).workers.map(({ id }) => id)).toEqual(['b']);
  });

  it('keeps the very array of workers while nothing about them changes', async () => {
    const { set, setFleet, source, fresh } = arrange();
    setFleet(row('a', 'chat'));
    const { workers } = await source.current();
    set('expose-node-header', 'true');
    const next = await fresh();
    expect(next.exposeNodeHeader).toBe(true);
    expect(next.workers).toBe(workers);
  });

  it('is unavailable without a fleet, at once, and serves an empty one', async () => {
    const { clock, setFleet, source, calls } = arrange();
    await expect(source.current()).rejects.toThrow(UnavailableError);
    expect(calls).toHaveLength(1);
    setFleet();
    await clock.advance(1_000);
    expect((await source.current()).workers).toEqual([]);
  });

  it('does not read the fleet when workers are given', async () => {
    const given = [{ id: 'w', name: 'w', url: 'http://127.0.0.1:1', status: 'healthy' as const, engine: 'localai' }];
    const { source, calls } = arrange({ staticWorkers: { current: async () => given, settled: async () => {} } });
    expect((await source.current()).workers).toBe(given);
    expect(calls[0]).toHaveLength(5);
  });

  it('has changed settings in time when a given worker hangs', async () => {
    let asked = 0;
    const clock = createFakeClock();
    const { set, source } = arrange({
      clock,
      staticWorkers: createStaticWorkers({
        workers: [{ id: 'w', name: 'w', url: 'http://127.0.0.1:1', status: 'healthy', engine: 'vllm' }],
        ttlMs,
        clock,
        log: () => {},
        ask: () => {
          asked += 1;
          const body = '{"data":[{"id":"m"}]}';
          return asked === 1 ? Promise.resolve({ status: 200, headers: {}, body }) : new Promise(() => {});
        },
      }),
    });
    expect((await source.current()).workers).toMatchObject([{ models: ['m'] }]);
    set('expose-node-header', 'true');
    clock.freeze(10 * ttlMs);
    const thawed = source.current();
    await clock.advance(500);
    expect(await thawed).toMatchObject({ exposeNodeHeader: true, workers: [{ models: ['m'] }] });
    expect(asked).toBe(2);
  });

  it('serves on, for ever, when SSM is down after a good start', async () => {
    const { setFleet, source, fresh, state } = arrange();
    setFleet(row('a', 'chat'));
    const good = await source.current();
    state.error = new Error('AccessDeniedException');
    for (let round = 0; round < 20; round += 1) expect(await fresh()).toBe(good);
    await source.settled();
    await settle();
  });
});
