import { describe, expect, test } from '@jest/globals';
import { retryAfterSeconds, type Verdict, verdict } from '../../../../lib/inference/failover.ts';
import { UpstreamFailure } from '../../../../lib/upstream/client.ts';

/** CONTRACT.md sections 5 and 6 as a table: may another worker be tried? */
describe('a response', () => {
  test.each([200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 413, 422, 500, 501, 505])('%i is the answer', (status) =>
    expect(verdict({ kind: 'response', status })).toBe('answer'),
  );

  test.each([429, 502, 503, 504])('%i says "not me, not now": the next worker', (status) =>
    expect(verdict({ kind: 'response', status })).toBe('next'),
  );
});

describe('a failure', () => {
  test.each<[UpstreamFailure['kind'], boolean, Verdict]>([
    ['unreachable', false, 'next'],
    ['unreachable', true, 'next'],
    ['reset', false, 'next'],
    ['reset', true, 'next'],
    ['timeout', false, 'next'],
    ['timeout', true, 'last'],
    ['aborted', false, 'stop'],
    ['aborted', true, 'stop'],
  ])('%s, request sent: %s -> %s', (kind, sent, expected) =>
    expect(verdict({ kind: 'failure', failure: new UpstreamFailure(kind, sent) })).toBe(expected),
  );
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');

  test.each([
    ['7', 7],
    ['0', 0],
    [' 12 ', 12],
    ['Fri, 02 Jan 2026 03:04:15 GMT', 10],
    ['Fri, 02 Jan 2026 03:04:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %j seconds', (value, seconds) => expect(retryAfterSeconds(value, now)).toBe(seconds));
});
