import { afterEach, describe, expect, test } from '@jest/globals';
import type { Context } from 'aws-lambda';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { toGatewayRequest } from '../../../../lib/lambda/request.ts';
import { urlEvent } from '../in-process-gateway.ts';

const requests: GatewayRequest[] = [];
const read = (event: unknown, remainingMs = 60_000) => {
  const context = { getRemainingTimeInMillis: () => remainingMs } as Context;
  const request = toGatewayRequest(event as never, context, { family: 'openai', marginMs: 1000 });
  requests.push(request);
  return request;
};
afterEach(() => {
  for (const { deadline } of requests.splice(0)) deadline.clear();
});

describe('a function URL event', () => {
  test('is read field by field', async () => {
    const request = read(
      await urlEvent('/v1/models/a%2Fb', {
        method: 'HEAD',
        query: 'a=%20&b',
        headers: { accept: '*/*' },
        cookies: ['token=x'],
      }),
    );
    expect(request).toMatchObject({
      method: 'HEAD',
      path: '/v1/models/a%2Fb',
      query: 'a=%20&b',
      headers: { accept: '*/*' },
      cookies: ['token=x'],
      sourceIp: '192.0.2.7',
      host: 'gateway.test',
    });
  });

  test('the body bytes are those of the client, text or base64', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 0x80]);
    expect(
      read(await urlEvent('/', { body: bytes }))
        .bytes()
        .equals(bytes),
    ).toBe(true);
    expect(
      read(await urlEvent('/', { body: 'Grüße 🦙' }))
        .bytes()
        .toString(),
    ).toBe('Grüße 🦙');
  });

  test('no body is an empty one, no cookies are none', async () => {
    const request = read(await urlEvent('/'));
    expect([request.bytes().length, request.cookies]).toEqual([0, []]);
  });

  test('every invocation has a signal of its own', async () => {
    const [one, other] = [read(await urlEvent('/')), read(await urlEvent('/'))];
    one.deadline.abort(new Error('over'));
    expect([one.deadline.signal.aborted, other.deadline.signal.aborted]).toEqual([true, false]);
  });
});
