import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createHolder, stamp, stampOf } from '../../../lib/holder.ts';

/** docs/contract.md section 3: what the holder itself owes. */
const nodeId = fc.string({ minLength: 1, maxLength: 40 });

describe('the holder', () => {
  test('no holder: load gives nothing, stamp is a no-op', () => {
    expect(() => stamp(undefined, 'node-a')).not.toThrow();
    expect(stampOf(undefined)).toBeUndefined();
  });

  test('never stamped: load gives nothing', () => {
    expect(stampOf(createHolder())).toBeUndefined();
  });

  test('stamp then load round-trips', () => {
    fc.assert(
      fc.property(nodeId, (id) => {
        const holder = createHolder();
        stamp(holder, id);
        expect(stampOf(holder)).toBe(id);
      }),
    );
  });

  test('second stamp wins', () => {
    fc.assert(
      fc.property(fc.array(nodeId, { minLength: 2 }), (ids) => {
        const holder = createHolder();
        for (const id of ids) stamp(holder, id);
        expect(stampOf(holder)).toBe(ids.at(-1));
      }),
    );
  });

  test('empty stamp does not erase', () => {
    const holder = createHolder();
    stamp(holder, 'node-a');
    stamp(holder, '');
    expect(stampOf(holder)).toBe('node-a');
  });

  test('survives a derived async context', async () => {
    const holder = createHolder();
    const context = new AsyncLocalStorage<string>();
    await context.run('outer', () =>
      context.run('inner', async () => {
        await new Promise((resolve) => setImmediate(resolve));
        stamp(holder, 'node-a');
      }),
    );
    expect(stampOf(holder)).toBe('node-a');
  });

  test('two holders share nothing', () => {
    const [one, other] = [createHolder(), createHolder()];
    stamp(one, 'node-a');
    expect(stampOf(other)).toBeUndefined();
  });
});
