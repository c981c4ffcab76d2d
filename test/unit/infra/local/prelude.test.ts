import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createPreludeReader, PreludeError, toPrelude } from '../../../../infra/local/prelude.ts';

const head = { statusCode: 207, headers: { 'x-one': 'two' }, cookies: ['a=1'] };
const NULS = Buffer.alloc(8);

describe('the prelude reader', () => {
  it('finds head and body however the bytes are cut', () => {
    const bytes = Buffer.concat([Buffer.from(JSON.stringify(head)), NULS, Buffer.from([0, 0, 1, 2])]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 6 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const read = createPreludeReader();
        let found: ReturnType<typeof read>;
        const body: Buffer[] = [];
        for (let n = 1; n < edges.length; n += 1) {
          const chunk = bytes.subarray(edges[n - 1], edges[n]);
          if (found) body.push(chunk);
          else {
            found = read(chunk);
            if (found) body.push(found.rest);
          }
        }
        expect(found?.prelude).toEqual(head);
        expect(Buffer.concat(body)).toEqual(Buffer.from([0, 0, 1, 2]));
      }),
    );
  });

  it.each([
    ['not JSON', Buffer.concat([Buffer.from('{'), NULS])],
    ['no object', Buffer.concat([Buffer.from('1'), NULS])],
    ['never ends', Buffer.alloc(17 * 1024, 97)],
    ['ends too late', Buffer.concat([Buffer.alloc(16 * 1024, 97), NULS])],
  ])('refuses what %s', (_what, bytes) => {
    expect(() => createPreludeReader()(bytes)).toThrow(PreludeError);
  });
});

describe('a head', () => {
  it('defaults to 200, no headers, no cookies', () => {
    expect(toPrelude({})).toEqual({ statusCode: 200, headers: {}, cookies: [] });
  });

  it('has lower-case names, numbers as text, lists kept, nothing where nothing is said', () => {
    const headers = { 'X-A': 1, 'x-b': true, 'x-c': ['1', 2], 'x-d': null };
    expect(toPrelude({ statusCode: '201', headers }).headers).toEqual({ 'x-a': '1', 'x-b': 'true', 'x-c': ['1', '2'] });
  });

  it.each([
    { statusCode: 199 },
    { statusCode: 600 },
    { statusCode: 200.5 },
    { statusCode: null },
    { headers: { 'x-a': {} } },
    { headers: { 'x a': '1' } },
    { headers: { 'x-a': 'b\r\nx-c: d' } },
    { headers: { 'x-a': ['ok', 'b\n'] } },
  ])('%j is refused', (value) => {
    expect(() => toPrelude(value)).toThrow(PreludeError);
  });
});
