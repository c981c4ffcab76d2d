import { describe, expect, test } from '@jest/globals';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { refuseForeignPage } from '../../../../lib/inference/foreign-page.ts';

/** docs/contract.md 12: what a page of another place may do with its visitor's access. */
const enter = (headers: GatewayRequest['headers'], origins: readonly string[] = []) =>
  refuseForeignPage({ headers, host: 'gateway.example:8080' } as GatewayRequest, origins);
const origin = 'https://evil.example';

describe('a session', () => {
  test.each<[string, GatewayRequest['headers'], string[]?]>([
    ['no page', {}],
    ['a page of ours', { origin: 'http://gateway.example:8080' }],
    ['a page that is named', { origin, cookie: 'token=k' }, ['https://other.example', origin]],
    ['any page, where all are', { origin }, ['*']],
    ['a page that knows a key', { origin, authorization: 'Bearer k' }],
    ['a page that knows a key, without its scheme', { origin, authorization: 'k' }],
    ['a page that knows another header', { origin, 'x-api-key': 'k' }],
  ])('of %s is let in', (_, headers, origins = []) => expect(() => enter(headers, origins)).not.toThrow());

  test.each<[string, GatewayRequest['headers'], string[]?]>([
    ['a page that shows nothing', { origin }],
    ['a page with its visitor’s cookie', { origin, cookie: 'token=k' }],
    ['a page with its visitor’s password', { origin, authorization: 'Basic dTpw' }],
    ['a page of the same host on another port', { origin: 'http://gateway.example' }],
    ['a page of no place', { origin: 'null' }],
    ['what is no origin', { origin: 'gateway.example:8080' }],
    ['a page that only looks like one that is named', { origin }, ['https://evil.example.org']],
  ])('of %s is refused', (_, headers, origins = []) => expect(() => enter(headers, origins)).toThrow('need a key'));
});
