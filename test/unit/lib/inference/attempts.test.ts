import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { GatewayError, TimeoutError } from '../../../../lib/errors.ts';
import { stampOf } from '../../../../lib/holder.ts';
import { type AttemptsOptions, startAttempts } from '../../../../lib/inference/attempts.ts';
import type { Answered } from '../../../../lib/relay/answer.ts';
import {
  createFleet,
  type Fleet,
  failing,
  inferenceFor,
  requestFor,
  response,
  type Script,
  silent,
  sse,
} from '../scripted-fleet.ts';

/** docs/contract.md sections 5 and 6: which worker is tried next, and what the client is told in the end. */
const path = '/v1/chat/completions';

const requests: GatewayRequest[] = [];
afterEach(() => {
  for (const { deadline } of requests.splice(0)) deadline.clear();
});

const start = async (fleet: Fleet, more: Partial<AttemptsOptions> = {}) => {
  const request = await requestFor(path, { body: {} });
  requests.push(request);
  const attempts = startAttempts({
    router: fleet.router,
    upstream: fleet.upstream,
    request,
    inference: inferenceFor(path),
    route: {
      workers: fleet.workers,
      need: { operation: 'chat', model: 'm', requestedModel: 'm' },
      hints: { systemTokens: 0, promptTokens: 0 },
    },
    maxAttempts: 3,
    firstByteMs: 120_000,
    idleMs: 60_000,
    ...more,
  });
  return { attempts, request };
};

const run = async (scripts: Readonly<Record<string, Script>>, more: Partial<AttemptsOptions> = {}) => {
  const fleet = createFleet(scripts);
  const { attempts, request } = await start(fleet, more);
  const outcome: Answered | GatewayError = await attempts.answered.catch((error) => error);
  return { fleet, request, outcome, attempts };
};

const textOf = async ({ body: { first, rest } }: Answered): Promise<string> => {
  const chunks = [...first];
  for (let next = await rest.read(); next; next = await rest.read()) chunks.push(next);
  return Buffer.concat(chunks).toString();
};

const answeredBy = (outcome: Answered | GatewayError): Answered => {
  if (outcome instanceof Error) throw outcome;
  return outcome;
};

const ok = response(200, ['{"ok":', 'true}']);
const later = (status: number, seconds?: string) =>
  response(status, [`{"error":"${status}"}`], {
    'content-type': 'application/json',
    ...(seconds !== undefined && { 'retry-after': seconds }),
  });

describe('the first worker that answers', () => {
  test('is the only one asked, and its bytes are all there', async () => {
    const { fleet, outcome, request } = await run({ a: ok, b: ok });
    expect(await textOf(answeredBy(outcome))).toBe('{"ok":true}');
    expect([fleet.asked, stampOf(request.holder)]).toEqual([['a'], 'a']);
  });

  test.each([400, 401, 409, 422, 501])('with its own %i is not replaced by another', async (status) => {
    const { fleet, outcome } = await run({ a: response(status, ['{"error":"own"}']), b: ok });
    expect(answeredBy(outcome).status).toBe(status);
    expect(await textOf(answeredBy(outcome))).toBe('{"error":"own"}');
    expect([fleet.asked, fleet.failed]).toEqual([['a'], []]);
  });

  test('with no body at all has answered too', async () => {
    const { outcome } = await run({ a: response(204, []), b: ok });
    expect(answeredBy(outcome)).toMatchObject({ status: 204, body: { first: [] } });
  });
});

describe('failover', () => {
  test.each<[string, Script]>([
    ['cannot be reached', failing('unreachable', false)],
    ['says 429', later(429)],
    ['says 502', later(502)],
    ['says 503', later(503)],
    ['says 504', later(504)],
    ['says 200 and then an error event with 429', sse('data: {"error":{"message":"no","code":429}}\n\n')],
    ['says 200 and then an error event without a code', sse('data: {"error":{"message":"no"}}\n\n')],
    ['says 200 and then an error event with 503', sse('data: {"error":{"message":"no","code":503}}\n\n')],
  ])('a worker that %s is replaced, in order, and marked', async (_, script) => {
    const { fleet, outcome, request } = await run({ a: script, b: script, c: ok });
    expect(await textOf(answeredBy(outcome))).toBe('{"ok":true}');
    expect([fleet.asked, fleet.failed, stampOf(request.holder)]).toEqual([['a', 'b', 'c'], ['a', 'b'], 'c']);
  });

  test('sends every worker the same request', async () => {
    const { fleet } = await run({ a: later(503), b: ok });
    const [first, second] = fleet.requests;
    expect(second).toMatchObject({ method: first?.method, path: first?.path, body: first?.body });
    expect(second?.headers).toEqual(first?.headers);
  });

  test('stops at the number of attempts', async () => {
    const { fleet, outcome } = await run({ a: later(502), b: later(502), c: later(502), d: ok });
    expect([fleet.asked, outcome]).toEqual([['a', 'b', 'c'], expect.any(GatewayError)]);
  });

  test('one attempt means one worker', async () => {
    const { fleet } = await run({ a: later(503), b: ok }, { maxAttempts: 1 });
    expect(fleet.asked).toEqual(['a']);
  });

  test('an error event with a status of its own is the answer, not a failure', async () => {
    const { fleet, outcome } = await run({ a: sse('data: {"error":{"message":"bad prompt","code":400}}\n\n'), b: ok });
    expect(outcome).toMatchObject({ status: 400, message: 'bad prompt' });
    expect(fleet.asked).toEqual(['a']);
  });
});

describe('a request that may be what a worker died of', () => {
  test.each<[string, Script]>([
    ['resets', failing('reset')],
    ['is cut after its head, before the first byte', response(200, [new Error('aborted')])],
    ['is cut inside what may be an error event', sse('data: {"err', new Error('aborted'))],
  ])('a worker that %s is replaced by one other, and no further', async (_, script) => {
    const { fleet, outcome, request } = await run({ a: script, b: ok, c: ok });
    expect(await textOf(answeredBy(outcome))).toBe('{"ok":true}');
    expect([fleet.asked, fleet.failed, stampOf(request.holder)]).toEqual([['a', 'b'], ['a'], 'b']);
    const all = await run({ a: script, b: script, c: ok });
    expect([all.fleet.asked, all.outcome]).toEqual([['a', 'b'], expect.objectContaining({ status: 502 })]);
  });

  test('a connection that was never made says nothing of the request', async () => {
    const { fleet } = await run({ a: failing('reset', false), b: failing('reset', false), c: ok });
    expect(fleet.asked).toEqual(['a', 'b', 'c']);
  });
});

describe("a worker's own 500", () => {
  const broken = (text = '{"error":"own"}', type = 'application/json') =>
    response(500, [text], { 'content-type': type, 'x-from': 'engine' });

  test('is asked of one other worker, once, which takes its place', async () => {
    const { fleet, outcome, request } = await run({ a: broken(), b: ok, c: ok });
    expect(answeredBy(outcome)).toMatchObject({ status: 200, worker: { id: 'b' } });
    expect([fleet.asked, fleet.errored, fleet.failed, stampOf(request.holder)]).toEqual([['a', 'b'], ['a'], [], 'b']);
  });

  test.each([
    ['9'.repeat(400), '31536000'],
    ['0.5', '1'],
    ['7', '7'],
  ])('whose other worker asks to wait %s: the client is asked for %s', async (given, told) => {
    const busy = response(429, ['{}'], { 'content-type': 'application/json', 'retry-after': given });
    const { outcome } = await run({ a: response(500, ['{}']), b: busy });
    expect(answeredBy(outcome)).toMatchObject({ status: 429, headers: { 'retry-after': told } });
  });

  test.each([400, 404, 429, 500, 503])('whose other worker says %i: that passes', async (status) => {
    const { fleet, outcome } = await run({ a: broken(), b: response(status, ['{"error":"other"}']), c: ok });
    expect([answeredBy(outcome).status, await textOf(answeredBy(outcome))]).toEqual([status, '{"error":"other"}']);
    expect(fleet.asked).toEqual(['a', 'b']);
  });

  test.each<[string, Script]>([
    ['cannot be reached', failing('unreachable', false)],
    ['resets', failing('reset')],
    ['is behind a load balancer that answers for it', response(502, ['<html>'], { 'content-type': 'text/html' })],
  ])('whose other worker %s: the first 500 passes, and the header names its worker', async (_, script) => {
    const { outcome, request, fleet } = await run({ a: broken(), b: script, c: ok });
    expect(answeredBy(outcome)).toMatchObject({ status: 500, worker: { id: 'a' }, headers: { 'x-from': 'engine' } });
    expect(await textOf(answeredBy(outcome))).toBe('{"error":"own"}');
    expect([stampOf(request.holder), fleet.asked]).toEqual(['a', ['a', 'b']]);
  });

  test.each([
    ['dies', failing('reset', true)],
    ['answers with a page as well', broken('<html>', 'text/html')],
  ])('that is a page, whose other worker %s: neither passes, and the header names the last one', async (_, script) => {
    const { outcome, request } = await run({ a: broken('<html>', 'text/html'), b: script });
    expect(outcome).toMatchObject({ status: 502 });
    expect(stampOf(request.holder)).toBe('b');
  });

  test('with nobody else to ask passes, in any type but a page', async () => {
    const { outcome } = await run({ a: broken('Internal Server Error', 'text/plain') });
    expect(answeredBy(outcome).status).toBe(500);
    const page = await run({ a: broken('<html>', 'text/html') });
    expect(page.outcome).toMatchObject({ status: 502 });
  });

  test('that is too long to be kept passes at once', async () => {
    const long = 'x'.repeat(70_000);
    const { outcome, fleet } = await run({ a: broken(long), b: ok });
    expect(await textOf(answeredBy(outcome))).toBe(long);
    expect(fleet.asked).toEqual(['a']);
  });

  test('that breaks off is nothing to keep', async () => {
    const { outcome, fleet } = await run({
      a: response(500, ['{"err', new Error('reset')]),
      b: failing('unreachable'),
    });
    expect(outcome).toMatchObject({ status: 502 });
    expect(fleet.asked).toEqual(['a', 'b']);
  });
});

describe('a model that a worker has lost', () => {
  const lost = response(404, ['{"error":"no such model"}']);

  test('is asked of the next worker, and nobody is out for it', async () => {
    const { fleet, outcome, request } = await run({ a: lost, b: lost, c: ok });
    expect(answeredBy(outcome).status).toBe(200);
    expect([fleet.asked, fleet.failed, fleet.errored, stampOf(request.holder)]).toEqual([['a', 'b', 'c'], [], [], 'c']);
  });

  test('by all: the last one`s words pass unchanged, with its name', async () => {
    const { outcome, request } = await run({ a: lost, b: lost });
    expect([answeredBy(outcome).status, await textOf(answeredBy(outcome))]).toEqual([404, '{"error":"no such model"}']);
    expect(stampOf(request.holder)).toBe('b');
  });

  test('is none where no model was asked for', async () => {
    const inference = { ...inferenceFor(path), servedModel: undefined };
    const { fleet } = await run({ a: lost, b: ok }, { inference });
    expect(fleet.asked).toEqual(['a']);
  });
});

describe('when nobody could answer', () => {
  test('a page of a load balancer never passes as a 5xx', async () => {
    const page = response(503, ['<html>busy</html>'], {
      'content-type': 'text/html; charset=utf-8',
      'retry-after': '4',
    });
    const { outcome } = await run({ a: page });
    expect(outcome).toMatchObject({ status: 502, headers: { 'retry-after': '4' } });
    const other = await run({ a: response(501, ['<html>'], { 'content-type': 'text/html' }) });
    expect(other.outcome).toMatchObject({ status: 502 });
  });

  test('retry-after-ms of one and retry-after of another: the smallest, said the same in both', async () => {
    const exact = response(429, ['{}'], {
      'content-type': 'application/json',
      'retry-after': '60',
      'retry-after-ms': '60000',
    });
    const { outcome } = await run({ a: later(429, '2'), b: exact });
    expect(answeredBy(outcome).headers).toMatchObject({ 'retry-after': '2', 'retry-after-ms': '2000' });
  });

  test('all 429: 429 with the smallest Retry-After and the last body', async () => {
    const { outcome } = await run({ a: later(429, '9'), b: later(429, '3'), c: later(429, '7') });
    expect(answeredBy(outcome)).toMatchObject({ status: 429, headers: { 'retry-after': '3' } });
    expect(await textOf(answeredBy(outcome))).toBe('{"error":"429"}');
  });

  test("the last worker's own 503, with its body and the smallest Retry-After", async () => {
    const { outcome } = await run({ a: later(502, '2'), b: failing('unreachable'), c: later(503, '30') });
    expect(answeredBy(outcome)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    expect(await textOf(answeredBy(outcome))).toBe('{"error":"503"}');
  });

  test('a date as Retry-After is compared in seconds', async () => {
    const soon = new Date(Date.now() + 4000).toUTCString();
    const { outcome } = await run({ a: later(503, '60'), b: later(503, soon) });
    expect(Number(answeredBy(outcome).headers['retry-after'])).toBeLessThanOrEqual(5);
  });

  test.each<[string, Script]>([
    ['unreachable', failing('unreachable')],
    ['reset', failing('reset')],
    ['502', later(502)],
    ['504', later(504)],
    ['cut', response(200, [new Error('aborted')])],
  ])('%s on every try: 502', async (_, script) => {
    const { outcome, request } = await run({ a: script, b: script });
    expect(outcome).toMatchObject({ status: 502 });
    expect(stampOf(request.holder)).toBe('b');
    expect((outcome as Error).message).toMatch(/^Upstream connection error: /);
    expect((outcome as Error).message).not.toMatch(/test|8080|reset|ECONN/);
  });

  test('an error event with 503 as the last word keeps its status and message', async () => {
    const { outcome } = await run({ a: sse('data: {"error":{"message":"loading","code":503}}\n\n') });
    expect(outcome).toMatchObject({ status: 503, message: 'loading' });
  });
});

describe('time', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('no first byte in time: one more worker and no further, then 504', async () => {
    const fleet = createFleet({ a: silent, b: silent, c: ok });
    const { attempts } = await start(fleet, { firstByteMs: 1000 });
    const outcome = attempts.answered.catch((error) => error);
    await jest.advanceTimersByTimeAsync(999);
    expect(fleet.asked).toEqual(['a']);
    await jest.advanceTimersByTimeAsync(3);
    expect(fleet.asked).toEqual(['a', 'b']);
    await jest.advanceTimersByTimeAsync(1003);
    expect(await outcome).toMatchObject({ status: 504 });
    expect([fleet.asked, fleet.failed]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  test('the one more worker may answer', async () => {
    const fleet = createFleet({ a: silent, b: ok, c: ok });
    const { attempts } = await start(fleet, { firstByteMs: 1000 });
    await jest.advanceTimersByTimeAsync(1010);
    expect((await attempts.answered).worker.id).toBe('b');
  });

  test('after a time-out the next failure, of whatever kind, is the last', async () => {
    const fleet = createFleet({ a: silent, b: failing('unreachable', false), c: ok });
    const { attempts } = await start(fleet, { firstByteMs: 1000 });
    const outcome = attempts.answered.catch((error) => error);
    await jest.advanceTimersByTimeAsync(1010);
    expect(await outcome).toMatchObject({ status: 502 });
    expect(fleet.asked).toEqual(['a', 'b']);
  });

  test('a head without a body byte is no first byte', async () => {
    const fleet = createFleet({ a: response(200, ['hang']), b: ok });
    const { attempts } = await start(fleet, { firstByteMs: 1000 });
    await jest.advanceTimersByTimeAsync(1010);
    expect((await attempts.answered).worker.id).toBe('b');
  });

  test('the limit is gone once the first byte is there', async () => {
    const fleet = createFleet({ a: response(200, ['first', 'hang']) });
    const { attempts } = await start(fleet, { firstByteMs: 1000 });
    const answered = await attempts.answered;
    await jest.advanceTimersByTimeAsync(100_000);
    expect(fleet.requests[0]?.signal.aborted).toBe(false);
    expect(answered.status).toBe(200);
  });

  test('without a limit only the deadline counts: 504, and no other worker', async () => {
    const fleet = createFleet({ a: silent, b: ok });
    const { attempts, request } = await start(fleet, { firstByteMs: undefined });
    const outcome = attempts.answered.catch((error) => error);
    await jest.advanceTimersByTimeAsync(600_000);
    expect(fleet.asked).toEqual(['a']);
    request.deadline.abort(new TimeoutError('The time limit of this request was reached.'));
    expect(await outcome).toMatchObject({ status: 504 });
    expect([fleet.asked, fleet.failed]).toEqual([['a'], []]);
  });

  test("the invocation's abort ends the upstream call, in the body too", async () => {
    const fleet = createFleet({ a: response(200, ['first', 'hang']) });
    const { attempts, request } = await start(fleet);
    const answered = await attempts.answered;
    request.deadline.abort(new TimeoutError('over'));
    expect(fleet.requests[0]?.signal.aborted).toBe(true);
    await expect(answered.body.rest.read()).rejects.toThrow();
  });

  test('an invocation that is over before the first try asks nobody for long', async () => {
    const fleet = createFleet({ a: silent, b: ok });
    const request = await requestFor(path, { body: {} });
    request.deadline.abort(new TimeoutError('over'));
    const { attempts } = await start(fleet, { request });
    await expect(attempts.answered).rejects.toMatchObject({ status: 504 });
    expect(fleet.asked).not.toContain('b');
  });
});

describe('giving up and committing', () => {
  test('a worker given up is replaced', async () => {
    const fleet = createFleet({ a: silent, b: ok });
    const { attempts } = await start(fleet);
    await Promise.resolve();
    expect(attempts.worker?.id).toBe('a');
    expect(attempts.giveUp()).toBe(true);
    expect((await attempts.answered).worker.id).toBe('b');
    expect(fleet.failed).toEqual(['a']);
  });

  test('the last one is not', async () => {
    const fleet = createFleet({ a: silent });
    const { attempts, request } = await start(fleet);
    expect(attempts.giveUp()).toBe(false);
    request.deadline.abort(new TimeoutError('over'));
    await attempts.answered.catch(() => {});
  });

  test('behind a commit there is no other worker', async () => {
    const fleet = createFleet({ a: later(503), b: ok });
    const { attempts } = await start(fleet);
    attempts.commit();
    expect(attempts.giveUp()).toBe(false);
    expect((await attempts.answered).status).toBe(503);
    expect(fleet.asked).toEqual(['a']);
  });

  test('a failure nobody waits for yet does not end the process', async () => {
    const { attempts } = await start(createFleet({ a: failing('reset') }));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(attempts.answered).rejects.toMatchObject({ status: 502 });
  });
});

describe('a redirect', () => {
  const redirect = (location: string) => response(302, [''], { location });

  test("on the worker's own origin becomes path-only", async () => {
    const { outcome } = await run({ a: redirect('http://a.test:8080/v1/other?x=1') });
    expect(answeredBy(outcome)).toMatchObject({ status: 302, headers: { location: '/v1/other?x=1' } });
  });

  test('to any other place is a 502 that does not name it, and no other worker is tried', async () => {
    const { outcome, fleet } = await run({ a: redirect('http://10.0.1.9:8080/v1/other'), b: ok });
    expect(outcome).toMatchObject({ status: 502, message: expect.not.stringContaining('10.0.1.9') });
    expect(fleet.asked).toEqual(['a']);
  });
});
