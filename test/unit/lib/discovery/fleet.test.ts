import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeFleet,
  decodePointer,
  encodeFleet,
  FleetError,
  type FleetWorker,
  fleetDigest,
  POINTER_NAME,
  servicesDigest,
  shardCount,
  shardNames,
  withHeartbeat,
} from '../../../../lib/discovery/fleet.ts';
import { firstFleetNames, type ReadFleet, readBelow, readFleet } from '../../../../lib/discovery/fleet-reader.ts';
import type { ScaledService } from '../../../../lib/discovery/scaled-service.ts';

const seenAt = '2026-11-23T12:00:00.000Z';

const worker = fc.record(
  {
    id: fc.uuid(),
    name: fc.string(),
    service: fc.constantFrom('chat', 'speech', 'größe', 'a/b'),
    url: fc.ipV4().map((ip) => `http://${ip}:8080`),
    status: fc.constantFrom('healthy', 'pending', 'unhealthy', 'draining'),
    engine: fc.constantFrom('localai', 'vllm', 'ollama'),
    models: fc.array(fc.string({ unit: 'grapheme' })),
    load: fc.constant('haproxy'),
    labels: fc.dictionary(fc.string(), fc.string()),
  },
  { requiredKeys: ['id', 'name', 'service', 'url', 'status', 'engine'] },
) as fc.Arbitrary<FleetWorker>;
const fleet = fc.uniqueArray(worker, { selector: ({ id }) => id, maxLength: 60 });

/** A store and the writer's puts in the registrar's order. */
const putsOf = (workers: readonly FleetWorker[], generation: number): [string, string][] => {
  const { pointer, shards } = encodeFleet(workers, generation);
  return [...shards, [POINTER_NAME, JSON.stringify({ ...pointer, seenAt })]];
};
const big = (count: number, tag: string): FleetWorker[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `${tag}-${n}-${fleetDigest([]).slice(0, 8)}${Math.sin(n + tag.length).toString(36)}`,
    name: `${tag}-${n}`,
    service: `service-${n % 10}`,
    url: `http://10.0.${n >> 8}.${n & 255}:8080`,
    status: 'healthy',
    engine: 'vllm',
    models: ['m'],
  }));
const idsOf = (workers: readonly FleetWorker[] | undefined) => workers?.map(({ id }) => id).sort();

describe('fleet shards', () => {
  it('property: a round trip gives the same fleet, in values SSM takes', () => {
    fc.assert(
      fc.property(fleet, fc.integer({ min: 1, max: 1e9 }), (workers, generation) => {
        const { pointer, shards } = encodeFleet(workers, generation);
        const text = JSON.stringify({ ...pointer, seenAt });
        const { workers: decoded, services } = decodeFleet(
          decodePointer(text),
          shardNames(decodePointer(text)).map((name) => shards.get(name)),
        );
        expect(services).toEqual([]);
        expect(text).not.toContain('services');
        expect(fleetDigest(decoded)).toBe(fleetDigest(workers));
        expect(new Map(decoded.map((one) => [one.id, one]))).toEqual(new Map(workers.map((one) => [one.id, one])));
        for (const value of [...shards.values(), text]) {
          expect(Buffer.byteLength(value)).toBeLessThanOrEqual(4096);
          expect(value.length).toBeGreaterThan(0);
          expect(value).not.toMatch(/\{\{/);
        }
      }),
    );
  });

  it('the digest does not depend on the order of workers, fields, or absent values', () => {
    const [a, b] = big(2, 'x') as [FleetWorker, FleetWorker];
    const reordered = Object.fromEntries(Object.entries(a).reverse()) as unknown as FleetWorker;
    expect(fleetDigest([b, { ...reordered, load: undefined }])).toBe(fleetDigest([a, b]));
    expect(fleetDigest([{ ...a, status: 'draining' }, b])).not.toBe(fleetDigest([a, b]));
  });

  it('fills every shard but the last, and alternates between the slots', () => {
    const odd = encodeFleet(big(1_000, 'x'), 7);
    const even = encodeFleet(big(1_000, 'x'), 8);
    expect(odd.pointer.count).toBeGreaterThan(3);
    expect([...odd.shards.values()].slice(0, -1).every((value) => value.length > 4050)).toBe(true);
    expect([...odd.shards.keys()].slice(0, 3)).toEqual(['runtime/fleet/2', 'runtime/fleet/4', 'runtime/fleet/6']);
    expect([...even.shards.keys()].slice(0, 3)).toEqual(['runtime/fleet/1', 'runtime/fleet/3', 'runtime/fleet/5']);
  });

  it.each(['', '{', 'null', '[]', '{"generation":0,"count":1,"digest":"a"}', '{"generation":1,"count":1e9}'])(
    'refuses the pointer %j',
    (text) => expect(() => decodePointer(text)).toThrow(FleetError),
  );

  it('property: any damage to any shard is noticed', () => {
    const { pointer, shards } = encodeFleet(big(300, 'x'), 3);
    const values = [...shards.values()];
    const at = fc.integer({ min: 0, max: values.length - 1 });
    fc.assert(
      fc.property(at, fc.integer({ min: 0, max: 4095 }), (index, place) => {
        const damaged = values.map((value, n) => {
          if (n !== index) return value;
          const position = place % value.length;
          const other = value[position] === 'A' ? 'B' : 'A';
          return value.slice(0, position) + other + value.slice(position + 1);
        });
        let decoded: readonly FleetWorker[] | undefined;
        try {
          decoded = decodeFleet({ ...pointer, seenAt }, damaged).workers;
        } catch (error) {
          expect(error).toBeInstanceOf(FleetError);
        }
        // Base64's last character may carry unused bits: then nothing was lost.
        if (decoded) expect(fleetDigest(decoded)).toBe(pointer.digest);
      }),
    );
    expect(() => decodeFleet({ ...pointer, seenAt }, values.slice(1))).toThrow(FleetError);
  });

  describe('with scaled services', () => {
    const services: ScaledService[] = ['b', 'a', 'constructor'].map((name, n) => ({
      name,
      state: 'asleep',
      since: 1_000 + n,
      desired: 0,
      running: 0,
      healthy: 0,
      models: [`model-of-${name}`],
      min: 0,
      max: 2,
      idleMinutes: 15,
    }));

    it.each([0, 1, 1_000])('holds both, whole or not at all, beside %i workers', (count) => {
      const workers = big(count, 'x');
      const { pointer, shards } = encodeFleet(workers, 7, services);
      expect(shardCount(workers, services)).toBe(shards.size);
      const read = decodePointer(JSON.stringify({ ...pointer, seenAt }));
      const values = shardNames(read).map((name) => shards.get(name));
      const decoded = decodeFleet(read, values);
      expect(fleetDigest(decoded.workers)).toBe(fleetDigest(workers));
      expect(decoded.services).toEqual(services.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
      expect(servicesDigest(decoded.services)).toBe(pointer.services?.digest);
      const older = encodeFleet(workers, 5, services.slice(1)).shards;
      const mixed = shardNames(read).map((name, n) => (n === values.length - 1 ? older.get(name) : shards.get(name)));
      expect(() => decodeFleet(read, mixed)).toThrow(FleetError);
      expect(() => decodeFleet(read, values.slice(0, -1))).toThrow(FleetError);
    });

    it('looks to a reader that knows of none as it always has', () => {
      const workers = big(300, 'x');
      const plain = encodeFleet(workers, 7);
      const { pointer, shards } = encodeFleet(workers, 7, services);
      const { services: _, ...known } = pointer;
      expect(known).toEqual(plain.pointer);
      for (const [name, value] of plain.shards) expect(shards.get(name)).toBe(value);
    });

    it.each([{ count: 0, digest: 'a'.repeat(64) }, { count: 1, digest: 'x' }, 'text', { count: 1 }])(
      'refuses a pointer whose part for services is %j',
      (part) => {
        const { pointer } = encodeFleet([], 7);
        expect(() => decodePointer(JSON.stringify({ ...pointer, seenAt, services: part }))).toThrow(FleetError);
      },
    );
  });

  it('gives healthy workers the heartbeat of the pointer, others their own', () => {
    const [a, b] = big(2, 'x') as [FleetWorker, FleetWorker];
    const gone = { ...b, status: 'unhealthy' as const, lastHeartbeat: '2026-01-01T00:00:00.000Z' };
    const pointer = { ...encodeFleet([a, gone], 1).pointer, seenAt };
    expect(withHeartbeat([a, gone], pointer).map(({ lastHeartbeat }) => lastHeartbeat)).toEqual([
      seenAt,
      '2026-01-01T00:00:00.000Z',
    ]);
  });
});

describe('readFleet', () => {
  const directly = <R>(call: (signal: AbortSignal) => Promise<R>) => call(new AbortController().signal);
  const arrange = () => {
    const store = new Map<string, string>();
    const calls: string[][] = [];
    const beforeEachRead: (() => void)[] = [];
    const read = readBelow(async (names) => {
      const found = new Map<string, string>();
      calls.push([...names]);
      for (const name of names) {
        beforeEachRead.shift()?.();
        const value = store.get(name);
        if (value !== undefined) found.set(name, value);
      }
      return found;
    }, '/p');
    const put = ([name, value]: [string, string]) => void store.set(`/p/${name}`, value);
    const load = async (known?: ReadFleet) => readFleet(read, await read(firstFleetNames, directly), directly, known);
    return { store, calls, beforeEachRead, put, load };
  };

  it('has none before the first write', async () => {
    expect(await arrange().load()).toBeUndefined();
  });

  it('reads a small fleet with one call and a large one with one more per ten shards', async () => {
    const { put, load, calls } = arrange();
    putsOf(big(20, 'small'), 1).forEach(put);
    expect((await load())?.workers).toHaveLength(20);
    expect(calls).toHaveLength(1);
    putsOf(big(1_000, 'large'), 2).forEach(put);
    expect((await load())?.workers).toHaveLength(1_000);
    expect(calls.every((names) => names.length <= 10)).toBe(true);
    const further = encodeFleet(big(1_000, 'large'), 2).pointer.count - 2;
    expect(calls).toHaveLength(2 + Math.ceil(further / 10));
  });

  it('does not read a fleet again that it knows, but takes its new heartbeat', async () => {
    const { put, load, calls } = arrange();
    const puts = putsOf(big(1_000, 'large'), 1);
    puts.forEach(put);
    const known = await load();
    calls.length = 0;
    const again = await load(known);
    expect(calls).toHaveLength(1);
    expect(again?.workers).toBe(known?.workers);
    const [name, text] = puts.at(-1) as [string, string];
    put([name, text.replace(seenAt, '2027-01-01T00:00:00.000Z')]);
    expect((await load(known))?.workers[0]?.lastHeartbeat).toBe('2027-01-01T00:00:00.000Z');
  });

  it('reads again when a writer went round between pointer and shards', async () => {
    const { put, load, beforeEachRead } = arrange();
    putsOf(big(5, 'one'), 1).forEach(put);
    // Just after the pointer: generation 2 into the other slot, 3 over the one being read.
    beforeEachRead.push(
      () => {},
      () => [...putsOf(big(5, 'two'), 2), ...putsOf(big(5, 'three'), 3)].forEach(put),
    );
    expect(idsOf((await load())?.listed)).toEqual(idsOf(big(5, 'three')));
  });

  it('property: with any interleaving of a writer, half-written fleets included, a reader gets one whole fleet', async () => {
    const sizes = fc.array(fc.record({ size: fc.constantFrom(0, 3, 150, 700), stopAfter: fc.nat(40) }), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.nat(12), { maxLength: 60 }), async (writes, pace) => {
        const { put, load, beforeEachRead } = arrange();
        const first = big(5, 'first');
        putsOf(first, 1).forEach(put);
        const whole = new Set([JSON.stringify(idsOf(first))]);
        // A writer that stops half way is followed by one that writes the same generation again.
        let generation = 1;
        const puts = writes.flatMap(({ size, stopAfter }, n) => {
          const workers = big(size, `write${n}`);
          const all = putsOf(workers, generation + 1);
          const done = all.slice(0, stopAfter);
          if (done.length === all.length) generation += 1;
          whole.add(JSON.stringify(idsOf(workers)));
          return done;
        });
        beforeEachRead.push(
          ...pace.map((count) => () => {
            for (const one of puts.splice(0, count)) put(one);
          }),
        );
        let known: ReadFleet | undefined;
        for (let round = 0; round < 4; round += 1) {
          try {
            known = await load(known);
          } catch (error) {
            // Never a wrong fleet: at worst none this time, and the reader keeps what it has.
            expect(error).toBeInstanceOf(FleetError);
          }
          if (known) expect(whole).toContain(JSON.stringify(idsOf(known.listed)));
        }
        for (const one of puts) put(one);
        beforeEachRead.length = 0;
        expect(whole).toContain(JSON.stringify(idsOf((await load(known))?.listed)));
      }),
      { numRuns: 200 },
    );
  });
});
