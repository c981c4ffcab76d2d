import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import { UnauthorizedError } from '../../../../lib/errors.ts';
import { authorize, isOpen } from '../../../../lib/middleware/authorizer.ts';
import { type Asking, createInProcessGateway, keepLogs } from '../in-process-gateway.ts';
import { requestFor } from '../scripted-fleet.ts';

/** docs/contract.md section 7. */
keepLogs();
const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');
const snapshotWith = (apiKeys: string[], adminKeys: string[] = []): Snapshot => ({
  workers: [],
  exposeNodeHeader: false,
  apiKeys: apiKeys.map(sha256),
  adminKeys: adminKeys.map(sha256),
  aliases: {},
});

const isAllowed = async (
  asking: Asking,
  snapshot: Snapshot,
  { access = 'key' as 'key' | 'admin', allowAnonymous = false } = {},
): Promise<boolean> => {
  const request = await requestFor('/v1/models', asking);
  request.deadline.clear();
  try {
    authorize(request, { snapshot, access, allowAnonymous });
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(UnauthorizedError);
    return false;
  }
};

describe('where a key may stand', () => {
  test.each<[string, Asking]>([
    ['Authorization: Bearer', { headers: { authorization: 'Bearer good' } }],
    ['in any case', { headers: { authorization: 'bearer  good ' } }],
    ['Authorization alone', { headers: { authorization: ' good' } }],
    ['x-api-key', { headers: { 'x-api-key': 'good' } }],
    ['api-key', { headers: { 'api-key': 'good' } }],
    ['xi-api-key', { headers: { 'xi-api-key': 'good' } }],
    ['cookie token of the event', { cookies: ['a=b', 'token=good'] }],
    ['cookie token of the header', { headers: { cookie: 'a=b; token=good; c=d' } }],
  ])('%s', async (_, asking) => {
    expect(await isAllowed(asking, snapshotWith(['other', 'good']))).toBe(true);
    expect(await isAllowed(asking, snapshotWith(['other']))).toBe(false);
  });

  test.each<[string, Asking]>([
    ['nowhere', {}],
    ['in another scheme', { headers: { authorization: 'Basic good' } }],
    ['behind a word', { headers: { authorization: 'Bearer Bearer good' } }],
    ['in another cookie', { cookies: ['mytoken=good', 'token2=good'] }],
    ['in the query', { query: 'token=good&api_key=good' }],
    ['empty', { headers: { authorization: 'Bearer ', 'x-api-key': '' }, cookies: ['token='] }],
  ])('not %s', async (_, asking) => expect(await isAllowed(asking, snapshotWith(['good']))).toBe(false));

  test('the first present one counts, right or wrong', async () => {
    const keys = snapshotWith(['good']);
    expect(await isAllowed({ headers: { authorization: 'Bearer bad', 'x-api-key': 'good' } }, keys)).toBe(false);
    expect(await isAllowed({ headers: { 'x-api-key': 'bad', 'xi-api-key': 'good' } }, keys)).toBe(false);
    expect(await isAllowed({ headers: { 'xi-api-key': 'good' }, cookies: ['token=bad'] }, keys)).toBe(true);
    const inOrder = ['authorization', 'x-api-key', 'api-key', 'xi-api-key'];
    for (const [at, name] of inOrder.entries()) {
      const after = Object.fromEntries(inOrder.slice(at + 1).map((later) => [later, 'bad']));
      expect([name, await isAllowed({ headers: { [name]: 'good', ...after } }, keys)]).toEqual([name, true]);
      const before = Object.fromEntries(inOrder.slice(0, at).map((earlier) => [earlier, 'bad']));
      if (at > 0) expect(await isAllowed({ headers: { ...before, [name]: 'good' } }, keys)).toBe(false);
    }
  });

  test('a scheme without a key, or another scheme, is none: the next place counts', async () => {
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      'Basic dXNlcjpwYXNz',
      'AWS4-HMAC-SHA256 Credential=x, Signature=y',
    ]) {
      const headers = { authorization, 'x-api-key': 'good' };
      expect([authorization, await isAllowed({ headers }, snapshotWith(['good']))]).toEqual([authorization, true]);
    }
  });
});

describe('keys', () => {
  test('are compared whole: no prefix, no digest, no other case', async () => {
    const keys = snapshotWith(['good']);
    for (const key of ['goo', 'goodd', 'GOOD', sha256('good'), 'good,', ' ']) {
      expect([key, await isAllowed({ headers: { 'x-api-key': key } }, keys)]).toEqual([key, false]);
    }
  });

  test('that are no digests match nothing, and throw nothing', async () => {
    const snapshot = { ...snapshotWith(['good']), apiKeys: ['nonsense', '', sha256('good')] };
    expect(await isAllowed({ headers: { 'x-api-key': 'good' } }, snapshot)).toBe(true);
    expect(await isAllowed({ headers: { 'x-api-key': 'nonsense' } }, snapshot)).toBe(false);
  });

  test('none configured: closed, even for a request with a key', async () => {
    expect(await isAllowed({}, snapshotWith([]))).toBe(false);
    expect(await isAllowed({ headers: { 'x-api-key': 'any' } }, snapshotWith([]))).toBe(false);
  });

  test('none configured, and anonymous access allowed: open', async () => {
    expect(await isAllowed({}, snapshotWith([]), { allowAnonymous: true })).toBe(true);
    expect(await isAllowed({ headers: { 'x-api-key': 'any' } }, snapshotWith([]), { allowAnonymous: true })).toBe(true);
  });

  test('a key that is found closes anonymous access again', async () => {
    expect(await isAllowed({}, snapshotWith(['good']), { allowAnonymous: true })).toBe(false);
  });
});

describe('admin endpoints', () => {
  test('take an admin key and no other', async () => {
    const keys = snapshotWith(['user'], ['root']);
    expect(await isAllowed({ headers: { 'x-api-key': 'root' } }, keys, { access: 'admin' })).toBe(true);
    expect(await isAllowed({ headers: { 'x-api-key': 'user' } }, keys, { access: 'admin' })).toBe(false);
    expect(await isAllowed({}, keys, { access: 'admin' })).toBe(false);
  });

  test('are open where anonymous access is', () => {
    expect(isOpen({ snapshot: snapshotWith([]), access: 'admin', allowAnonymous: true })).toBe(true);
    expect(isOpen({ snapshot: snapshotWith(['user']), access: 'admin', allowAnonymous: true })).toBe(false);
  });
});

describe('through a function', () => {
  const gateway = () =>
    createInProcessGateway('openai', [], { LOCALAI_API_KEY: 'one, two', GATEWAY_ALLOW_ANONYMOUS: undefined });

  test('no key: 401 with WWW-Authenticate, whatever the path', async () => {
    for (const path of ['/v1/models', '/v1/chat/completions', '/nowhere']) {
      const answer = await gateway().ask(path);
      expect([path, answer.status, answer.headers['www-authenticate']]).toEqual([path, 401, 'Bearer']);
      expect(answer.headers['x-should-retry']).toBe('false');
      expect(answer.json()).toMatchObject({ error: { code: 'invalid_api_key', type: 'authentication_error' } });
    }
  });

  test('either of two keys opens', async () => {
    for (const key of ['one', 'two']) {
      expect((await gateway().ask('/v1/models', { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    }
  });

  test.each(['/healthz', '/readyz'])('%s needs none', async (path) => {
    expect((await gateway().ask(path)).status).toBe(200);
  });

  test('OPTIONS needs none', async () => {
    expect((await gateway().ask('/v1/models', { method: 'OPTIONS' })).status).not.toBe(401);
  });
});
