import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { retryAfterSeconds, sayWait, type Verdict, verdict, waitOf } from '../../../../lib/inference/failover.ts';
import type { ExchangeProblem } from '../../../../lib/upstream/exchange-error.ts';

/** docs/contract.md sections 5 and 6 as a table: may another worker be tried? */
describe('a response', () => {
  test.each([200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 413, 422, 501, 505])('%i is the answer', (status) =>
    expect(verdict({ kind: 'response', status }, false)).toEqual({ another: 'no', fault: 'none' }),
  );

  test.each([429, 502, 503, 504])('%i says "not me, not now": the next worker', (status) =>
    expect(verdict({ kind: 'response', status }, true)).toEqual({ another: 'next', fault: 'failed' }),
  );

  test('500 may be the request`s own fault: one other worker, and no ejection yet', () =>
    expect(verdict({ kind: 'response', status: 500 }, true)).toEqual({ another: 'once', fault: 'errored' }));

  test.each([400, 404, 500])('%i as the first event of a stream is the answer', (status) =>
    expect(verdict({ kind: 'response', status, error: {} }, true)).toEqual({ another: 'no', fault: 'none' }),
  );

  test('404 where the worker was chosen for a model: it has lost it, another one may have it', () =>
    expect(verdict({ kind: 'response', status: 404 }, true)).toEqual({ another: 'next', fault: 'none' }));
});

describe('a failure', () => {
  test.each<[ExchangeProblem, boolean, Verdict['another']]>([
    ['unreachable', false, 'next'],
    ['reset', false, 'next'],
    ['timeout', false, 'next'],
    ['unreachable', true, 'once'],
    ['reset', true, 'once'],
    ['timeout', true, 'once'],
    ['aborted', false, 'over'],
    ['aborted', true, 'over'],
  ])('%s, request sent: %s -> %s', (kind, sent, another) => {
    const fault = kind === 'aborted' ? 'none' : 'failed';
    expect(verdict({ kind: 'failure', failure: { kind, sent } }, true)).toEqual({ another, fault });
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');

  test.each([
    ['7', 7],
    ['0', 0],
    [' 12 ', 12],
    ['0.5', 0.5],
    ['9'.repeat(400), 31_536_000],
    ['Fri, 02 Jan 2026 03:04:15 GMT', 10],
    ['Fri, 02 Jan 2026 03:04:00 GMT', 0],
    ['Fri, 02 Jan 9026 03:04:00 GMT', 31_536_000],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %j seconds', (value, seconds) => expect(retryAfterSeconds(value, now)).toBe(seconds));

  test('in milliseconds says it more exactly', () => {
    expect(waitOf({ 'retry-after': '9', 'retry-after-ms': '1500' }, now)).toBe(1.5);
    expect(waitOf({ 'retry-after': '9', 'retry-after-ms': 'soon' }, now)).toBe(9);
    expect(waitOf({}, now)).toBeUndefined();
  });

  test('both headers agree, and no fraction becomes 0', () => {
    const headers: Record<string, string> = { 'retry-after': '60', 'retry-after-ms': '60000' };
    sayWait(headers, 0.5);
    expect(headers).toEqual({ 'retry-after': '1', 'retry-after-ms': '500' });
    const plain: Record<string, string> = {};
    sayWait(plain, 3);
    expect(plain).toEqual({ 'retry-after': '3' });
  });

  test('whatever a worker writes, it is a whole number of seconds within a year, or nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.bigInt().map(String)), (value) => {
        const seconds = retryAfterSeconds(value, now);
        if (seconds === undefined) return;
        const headers: Record<string, string> = {};
        sayWait(headers, seconds);
        expect(headers['retry-after']).toMatch(/^\d{1,8}$/);
      }),
    );
  });
});
