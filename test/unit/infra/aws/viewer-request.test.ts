import { createContext, runInContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { edge } from '../../../../infra/aws/edge.js';
import { readOptions } from '../../../../infra/aws/options.js';
import * as table from '../../../../lib/endpoints/index.ts';
import { containerParams } from '../../../support/container-params.ts';
import { readParams } from '../../../support/stack-params.ts';

interface Headers {
  [name: string]: { value: string };
}
interface ViewerEvent {
  version: '1.0';
  context: { requestId: string; eventType: 'viewer-request' };
  viewer: { ip: string };
  request: { method: string; uri: string; querystring: object; headers: Headers; cookies: object };
}
interface ViewerResponse {
  statusCode: number;
  headers: Headers;
  body: { encoding: string; data: string };
}

/** The very text that is deployed. */
const codeOf = (params: Record<string, string> = {}) => {
  const options = readOptions(
    { ...readParams(), ...params },
    { service: 'gateway', stage: 'test', region: 'us-east-1' },
  );
  const { Resources } = edge(options, table) as { Resources: Record<string, { Properties: { FunctionCode: string } }> };
  return Resources.ViewerRequestFunction?.Properties.FunctionCode ?? '';
};
const code = codeOf();

/** Runs it as CloudFront does: a script in a world with nothing but the language. */
const run = (event: ViewerEvent, text = code): ViewerEvent['request'] & ViewerResponse => {
  const world = createContext({ json: JSON.stringify(event) }, { codeGeneration: { strings: false, wasm: false } });
  return JSON.parse(runInContext(`'use strict';${text};JSON.stringify(handler(JSON.parse(json)))`, world));
};

const eventOf = (uri: string, headers: Record<string, string>, method = 'POST'): ViewerEvent => ({
  version: '1.0',
  context: { requestId: 'edge-request', eventType: 'viewer-request' },
  viewer: { ip: '198.51.100.7' },
  request: {
    method,
    uri,
    querystring: {},
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, { value }])),
    cookies: {},
  },
});

const MB = 1 << 20;
const json = 'application/json; charset=utf-8';
const form = 'multipart/form-data; boundary=x';
const tooLong = (uri: string, more: Record<string, string> = {}) =>
  run(eventOf(uri, { 'content-type': json, 'content-length': String(7 * MB), ...more }));

describe('the viewer-request function', () => {
  test('fits into CloudFront, and is a script', () => {
    expect(Buffer.byteLength(code)).toBeLessThanOrEqual(10_240);
    expect(code).not.toMatch(/^\s*(import|export)\b/m);
  });

  test('takes accept-encoding away and leaves the rest', () => {
    const headers = { authorization: 'Bearer k', 'content-type': json, 'content-length': '12' };
    const event = eventOf('/v1/chat/completions', { ...headers, 'accept-encoding': 'gzip, br' });
    expect(run(event)).toEqual(eventOf('/v1/chat/completions', headers).request);
  });

  test('a request without a body or a length passes', () => {
    const event = eventOf('/v1/models', { host: 'd1.cloudfront.net' }, 'GET');
    expect(run(event)).toEqual(event.request);
    const chunked = eventOf('/v1/messages', { 'transfer-encoding': 'chunked' });
    expect(run(chunked)).toEqual(chunked.request);
  });

  test.each([
    ['text that just fits', json, 6_283_264, undefined],
    ['text that does not', json, 6_283_265, 413],
    ['a form that just fits as base64', form, 4_712_448, undefined],
    ['a form that does not', form, 4_712_449, 413],
    ['JSON that comes compressed', json, 5 * MB, 413],
    ['no content type, so base64', '', 5 * MB, 413],
  ])('%s', (name, type, length, status) => {
    const headers: Record<string, string> = { 'content-length': String(length) };
    if (type) headers['content-type'] = type;
    if (name.includes('compressed')) headers['content-encoding'] = 'gzip';
    expect(run(eventOf('/v1/audio/transcriptions', headers)).statusCode).toBe(status);
  });

  test('the limits are those of 6 MB of event', () => {
    const event = 6_291_456;
    expect(6_283_264 + 8192).toBe(event);
    expect(Math.ceil(4_712_448 / 3) * 4 + 8192).toBe(event);
  });

  test.each(['/v1/chat/completions', '/v1/audio/transcriptions', '/v1/rerank', '/api/nodes', '/apish'])(
    '%s: in OpenAI`s words',
    (uri) => {
      const { statusCode, body } = tooLong(uri);
      expect(statusCode).toBe(413);
      const { error } = JSON.parse(body.data);
      expect(error).toEqual({
        message: expect.stringContaining('7340032 bytes; 6283264 fit'),
        type: 'invalid_request_error',
        code: 'request_too_large',
        param: null,
      });
    },
  );

  test.each(['/v1/messages', '/messages', '/v1/messages/count_tokens', '/messages/count_tokens', '/v1/messages/'])(
    '%s: in Anthropic`s words',
    (uri) => {
      const { body } = tooLong(uri);
      expect(JSON.parse(body.data)).toEqual({
        type: 'error',
        error: { type: 'request_too_large', message: expect.stringContaining('compress or split') },
        request_id: 'edge-request',
      });
    },
  );

  test.each(['/api/chat', '/api/generate', '/api/chat/', '/api/unheard-of'])('%s: in Ollama`s words', (uri) => {
    expect(JSON.parse(tooLong(uri).body.data)).toEqual({ error: expect.stringContaining('Send less at once') });
  });

  test('before a container, nothing is too large: it has limits of its own', () => {
    const text = codeOf(containerParams);
    for (const type of [json, form]) {
      const headers = { 'content-type': type, 'content-length': '5000000000' };
      const event = eventOf('/v1/audio/transcriptions', { ...headers, 'accept-encoding': 'gzip' });
      expect(run(event, text)).toEqual(eventOf('/v1/audio/transcriptions', headers).request);
    }
  });

  test('names the way for large media where there is one', () => {
    const event = eventOf('/v1/audio/transcriptions', { 'content-type': form, 'content-length': String(7 * MB) });
    expect(run(event).body.data).not.toContain('/v1/uploads');
    expect(run(event, codeOf({ uploads: 'on' })).body.data).toContain('POST /v1/uploads');
  });

  test('its answer carries the caller`s correlation id, a usable one', () => {
    const idOf = (more: Record<string, string>) => tooLong('/v1/messages', more).headers['x-correlation-id']?.value;
    expect(idOf({ 'x-correlation-id': 'abc', 'x-request-id': 'def' })).toBe('abc');
    expect(idOf({ 'x-correlation-id': 'a b', 'x-request-id': 'def' })).toBe('def');
    expect(idOf({ 'x-request-id': '<script>' })).toBe('edge-request');
  });
});
