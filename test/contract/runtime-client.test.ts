import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { installAwslambda, invokeStreaming } from '../support/awslambda.ts';
import { needs } from '../support/needs.ts';
import { probe, type Seen } from './runtime-probe.ts';

const fixture = new URL('../fixtures/runtime/index.cjs', import.meta.url);
const handlers = [...readFileSync(fixture, 'utf8').matchAll(/^exports\.(\w+) =/gm)].map(([, name]) => `index.${name}`);
const unusual = ['index.nested.deep', 'index.missing', 'broken.handler', 'nowhere.handler', '../index.head', 'index'];

/** How an init failure is worded is each client's own affair; its type is not. */
const comparable = (seen: Seen): Seen =>
  seen.call === 'init/error' ? { ...seen, errorMessage: expect.any(String) as unknown as string } : seen;

needs('aws-lambda-ric')('our runtime client does what aws-lambda-ric does', () => {
  it.each([...handlers, ...unusual])('%s', async (handler) => {
    const [ours, real] = await Promise.all([probe('client', handler), probe('ric', handler)]);
    expect(ours).toEqual(comparable(real));
  });
});

describe('our runtime client, whatever the real one does', () => {
  it('sends head and delimiter with the first write, and each write at once', async () => {
    const seen = await probe('client', 'index.head');
    expect(seen.body.startsWith('{"statusCode":207,')).toBe(true);
    expect(seen.body.endsWith(`}${'\0'.repeat(8)}one\0\x01\x02\xff`)).toBe(true);
    expect(seen.firstBurst?.endsWith('one')).toBe(true);
  });

  it('sends no head without a write', async () => {
    expect((await probe('client', 'index.endWithoutWrite')).body).toBe('');
  });

  it.each(['index.destroyed', 'index.writeAfterEnd'])('does not outlive %s', async (handler) => {
    expect((await probe('client', handler)).then).toBe('exit 1');
  });
});

needs('aws-lambda-ric')('the awslambda of unit tests shows what the Runtime API would see', () => {
  let fixtures: Record<string, unknown>;
  beforeAll(() => {
    installAwslambda();
    fixtures = createRequire(import.meta.url)(fixture.pathname) as Record<string, unknown>;
  });

  const inMemory = [
    'head',
    'lateMetadata',
    'emptyWrite',
    'headOnly',
    'endWithoutWrite',
    'endWithData',
    'raw',
    'contentTypeTooLate',
    'throwBeforeWrite',
    'throwMidStream',
    'throwText',
    'notAsync',
    'returnsValue',
    'duckType',
    'backpressure',
  ];
  it.each(inMemory)('%s', async (name) => {
    const real = await probe('ric', `index.${name}`);
    const { capture, done } = invokeStreaming(fixtures[name], {});
    await done;
    expect({
      contentType: capture.contentType,
      body: Buffer.concat(capture.chunks).toString('latin1'),
      ended: capture.ended,
      errorType: capture.failure?.errorType,
      errorMessage: capture.failure?.errorMessage,
    }).toEqual({
      contentType: real.headers['content-type'],
      body: real.body,
      ended: real.complete,
      errorType: real.errorType,
      errorMessage: real.errorMessage,
    });
  });

  it.each(['destroyed', 'writeAfterEnd'])('%s is fatal', async (name) => {
    expect((await probe('ric', `index.${name}`)).then).toBe('exit 1');
    const { capture, done } = invokeStreaming(fixtures[name], {});
    await done;
    expect(capture.fatal?.message).toMatch(/destroyed|write after end/);
    expect(capture.failure).toBeUndefined();
  });
});
