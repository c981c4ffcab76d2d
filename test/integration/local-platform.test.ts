import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MAX_EVENT_BYTES } from '../../infra/local/function-url.ts';
import type { Runtime } from '../../infra/local/runtime.ts';
import { FunctionError } from '../../infra/local/runtime-api.ts';
import type { UrlEvent } from '../../infra/local/url-event.ts';
import { sendBytes } from '../support/http.ts';
import { type Fixture, startFixture, startGate } from '../support/local-platform.ts';
import { needs } from '../support/needs.ts';
import { until } from '../support/until.ts';

/** Process state as the kernel has it: `T` is stopped. @returns undefined when the process is gone. */
const processState = (pid: number): string | undefined => {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
};
const isGone = (pid: number) => [undefined, 'Z', 'X'].includes(processState(pid));
const quoted = (value: unknown) => encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value));

const onRuntime = (runtime: Runtime) => () => {
  describe('the event', () => {
    let fixture: Fixture;
    beforeAll(async () => {
      fixture = await startFixture(['echo', 'pid'], { runtime });
    });
    afterAll(() => fixture?.platform.close());

    it('over 6 MB is refused in the platform\u2019s words before any function runs', async () => {
      const plain = await fixture.fetch('/echo', {
        headers: { 'content-type': 'text/plain' },
        body: Buffer.alloc(MAX_EVENT_BYTES, 97),
      });
      const binary = await fixture.fetch('/echo', {
        headers: { 'content-type': 'image/png' },
        body: Buffer.alloc(MAX_EVENT_BYTES * 0.76),
      });
      for (const { status, text } of [plain, binary]) {
        expect(status).toBe(413);
        expect(text).toContain(`smaller than ${MAX_EVENT_BYTES} bytes`);
      }
      expect(fixture.platform.environments()).toEqual([]);
    });

    it('is payload format 2.0', async () => {
      const reply = await fixture.fetch('/echo/a%2Fb?x=1&x=2&y=%20', {
        method: 'PUT',
        headers: ['X-Twice', 'one', 'x-twice', 'two', 'Cookie', 'a=1; b=2', 'X-Forwarded-For', '10.9.8.7'],
        body: { greeting: 'h\u00e4llo' },
      });
      const event = reply.json() as UrlEvent;
      expect(event).toMatchObject({
        version: '2.0',
        routeKey: '$default',
        rawPath: '/echo/a%2Fb',
        rawQueryString: 'x=1&x=2&y=%20',
        queryStringParameters: { x: '1,2', y: ' ' },
        cookies: ['a=1', 'b=2'],
        body: '{"greeting":"h\u00e4llo"}',
        isBase64Encoded: false,
        requestContext: {
          domainName: '127.0.0.1',
          requestId: reply.headers['x-amzn-requestid'],
          http: { method: 'PUT', path: '/echo/a%2Fb', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' },
        },
      });
      expect(event.headers).toMatchObject({
        'x-twice': 'one,two',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'http',
        'x-forwarded-port': new URL(fixture.platform.origin).port,
        'x-amzn-trace-id': expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/),
      });
      expect(event.headers).not.toHaveProperty('cookie');
    });

    it.each([
      ['text/plain; charset=utf-8', 'text', false],
      ['application/json', '{}', false],
      ['application/xml', '<a/>', false],
      ['application/javascript', '1', false],
      ['application/x-www-form-urlencoded', 'a=b', true],
      ['application/vnd.api+json', '{}', true],
      ['multipart/form-data; boundary=x', '--x--', true],
      ['text/plain', Buffer.from([0xff, 0xfe, 0]), true],
    ])('carries %s %j as base64: %s -> %s', async (type, body, isBase64Encoded) => {
      const event = (await fixture.fetch('/echo', { headers: { 'content-type': type }, body })).json() as UrlEvent;
      expect(event.isBase64Encoded).toBe(isBase64Encoded);
      expect(Buffer.from(event.body ?? '', isBase64Encoded ? 'base64' : 'utf8')).toEqual(Buffer.from(body));
    });

    it('has no body where there is none', async () => {
      const event = (await fixture.fetch('/echo')).json() as UrlEvent;
      expect(event).not.toHaveProperty('body');
      expect(event.isBase64Encoded).toBe(false);
    });

    it('just under 6 MB passes', async () => {
      const body = Buffer.alloc(MAX_EVENT_BYTES - 4096, 97);
      expect((await fixture.fetch('/pid', { headers: { 'content-type': 'text/plain' }, body })).status).toBe(200);
    });
  });

  describe('the response', () => {
    let fixture: Fixture;
    beforeAll(async () => {
      fixture = await startFixture(['reply', 'raw', 'buffered', 'value', 'stages'], { runtime });
    });
    afterAll(() => fixture?.platform.close());
    const ofReply = () => fixture.platform.environments().filter(({ functionName }) => functionName === 'reply');
    const reply = async (head: unknown, method = 'GET') => {
      const before = ofReply();
      const said = fixture.logs.length;
      const received = await fixture.fetch(`/reply?head=${quoted(head)}`, { method });
      const isFrozen = await until(() => ofReply().length === 1 && ofReply()[0]?.state === 'frozen');
      const survived = isFrozen && (before.length === 0 || ofReply()[0]?.pid === before[0]?.pid);
      return { ...received, logs: fixture.logs.slice(said), survived };
    };

    it('has the status, headers and cookies of the prelude, and none of the connection\u2019s own', async () => {
      const headers = { 'X-One': 'two', 'content-length': '9999', connection: 'x-one', 'transfer-encoding': 'gzip' };
      const { status, headers: got, text } = await reply({ statusCode: 207, headers, cookies: ['a=1', 'b=2'] });
      expect(status).toBe(207);
      expect(text).toBe('body');
      expect(got).toMatchObject({ 'x-one': 'two', 'set-cookie': ['a=1', 'b=2'], 'transfer-encoding': 'chunked' });
      expect(got).not.toHaveProperty('content-length');
      expect(got.connection).not.toBe('x-one');
    });

    it.each([
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ])('to %s with %i has no body', async (method, statusCode) => {
      const received = await reply({ statusCode, headers: { 'x-one': 'two' } }, method);
      expect(received).toMatchObject({ status: statusCode, text: '', complete: true });
      expect(received.headers).toHaveProperty('x-one', 'two');
    });

    it.each([
      { statusCode: 200, headers: { 'x-broken': 'line\nbreak' } },
      { statusCode: 200, headers: { 'no token': '1' } },
      { statusCode: 99, headers: {} },
      { statusCode: 'ok', headers: {} },
    ])('to a prelude that cannot be sent (%#) is 502, and the environment lives', async (head) => {
      const { status, json, logs, survived } = await reply(head);
      expect(status).toBe(502);
      expect(json()).toEqual({ Message: 'Internal Server Error' });
      expect(logs.join('\n')).toContain('PreludeError');
      expect(survived).toBe(true);
    });

    it('has header values byte for byte', async () => {
      const path = `/reply?head=${quoted({ headers: { 'x-name': 'caf\u00e9' } })}`;
      const request = `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
      expect((await sendBytes(fixture.platform.origin, request)).toString('latin1')).toContain('x-name: caf\u00e9\r\n');
    });

    it('streams: the head and the first bytes are there before the function goes on', async () => {
      await using gate = await startGate();
      const streamed = await fixture.send(`/stages?gate=${quoted(gate.url)}`);
      expect(await streamed.until('first')).toBe('first');
      expect(await until(() => gate.waiting.length === 1)).toBe(true);
      gate.open();
      expect(await streamed.all()).toMatchObject({ text: 'firstsecond', complete: true });
    });

    it('waits for a slow client: the function is held back', async () => {
      await using fixture = await startFixture(['flood'], { runtime });
      const slow = await fixture.send('/flood?megabytes=64');
      let before = -1;
      const stalled = async () => {
        const still = before === fixture.logs.length && before > 0;
        before = fixture.logs.length;
        if (!still) await new Promise((resolve) => setTimeout(resolve, 300));
        return still;
      };
      expect(await until(stalled, 20_000)).toBe(true);
      expect(fixture.logs.length).toBeLessThan(32);
      const { body, complete } = await slow.all();
      expect(complete).toBe(true);
      expect(body.length).toBe(64 * 1024 * 1024);
    });

    it('without a prelude is 200 and raw bytes', async () => {
      expect(await fixture.fetch('/raw')).toMatchObject({
        status: 200,
        text: 'raw bytes',
        headers: { 'content-type': 'application/octet-stream' },
      });
    });

    it('of a buffered function is what it returns', async () => {
      expect(await fixture.fetch('/buffered')).toMatchObject({
        status: 201,
        text: 'binary',
        headers: { 'x-kind': 'buffered', 'set-cookie': ['a=1'] },
      });
      expect((await fixture.fetch('/value')).json()).toHaveProperty('seen.version', '2.0');
    });
  });

  describe('failures', () => {
    it.each([
      ['throwEarly', 'TypeError: thrown early'],
      ['exitEarly', 'exited with code 7'],
      ['headless', 'ended before its head'],
      ['longHead', 'no end of the prelude'],
      ['broken', 'at import'],
      ['fails', 'RangeError: buffered failure'],
    ])('%s before the head: 502 in the platform\u2019s words, and a clear log', async (name, logged) => {
      await using fixture = await startFixture([name], { runtime });
      const { status, json } = await fixture.fetch(`/${name}`);
      expect(status).toBe(502);
      expect(json()).toEqual({ Message: 'Internal Server Error' });
      expect(fixture.logs.join('\n')).toContain(logged);
      expect((await fixture.fetch(`/${name}`)).status).toBe(502);
    });

    it('error trailers after the head break the connection after what was written', async () => {
      await using fixture = await startFixture(['throwLate'], { runtime });
      const { status, text, complete } = await fixture.fetch('/throwLate');
      expect({ status, text, complete }).toEqual({ status: 200, text: 'half', complete: false });
      expect(fixture.logs.join('\n')).toContain('thrown late');
    });

    it('an exit after the head breaks the connection', async () => {
      await using gate = await startGate();
      await using fixture = await startFixture(['exitLate'], { runtime });
      const reply = await fixture.send(`/exitLate?gate=${quoted(gate.url)}`);
      await reply.until('half');
      await until(() => gate.waiting.length === 1);
      gate.open();
      expect((await reply.all()).complete).toBe(false);
    });

    it.each(['', '?head=1'])(
      'out of time (%j): the environment is killed, the next request gets another',
      async (query) => {
        await using fixture = await startFixture(['endless'], { runtime, timeoutSeconds: 0.5 });
        const first = await fixture.send(`/endless${query}`);
        const [environment] = fixture.platform.environments();
        const ended = await first.all();
        expect({ status: ended.status, complete: ended.complete }).toEqual(
          query ? { status: 200, complete: false } : { status: 502, complete: true },
        );
        expect(await until(() => fixture.logs.join('\n').includes('Task timed out after 0.50 seconds'))).toBe(true);
        expect(await until(() => !fixture.platform.environments().some(({ pid }) => pid === environment?.pid))).toBe(
          true,
        );
        const again = fixture.send(`/endless${query}`);
        expect(await until(() => fixture.platform.environments().length === 1)).toBe(true);
        await (await again).all();
      },
    );

    it('an unknown function is 404', async () => {
      await using fixture = await startFixture(['echo'], { runtime });
      expect((await fixture.fetch('/other')).status).toBe(404);
    });

    it('what is not HTTP does not end the front', async () => {
      await using fixture = await startFixture(['pid'], { runtime });
      expect((await sendBytes(fixture.platform.origin, 'nonsense\r\n\r\n')).toString()).toContain('400');
      expect((await fixture.fetch('/pid')).status).toBe(200);
    });
  });

  describe('environments', () => {
    it('serve one request at a time, are started on demand and used again', async () => {
      await using gate = await startGate();
      await using fixture = await startFixture(['pid'], { runtime });
      const replies = Array.from({ length: 6 }, () => fixture.fetch(`/pid?gate=${quoted(gate.url)}`));
      expect(await until(() => gate.waiting.length === 6, 20_000)).toBe(true);
      gate.open();
      const pids = (await Promise.all(replies)).map(({ text }) => text);
      expect(new Set(pids).size).toBe(6);
      expect(pids).toContain((await fixture.fetch('/pid')).text);
      expect(fixture.platform.environments()).toHaveLength(6);
    });

    it('are capped: more requests queue', async () => {
      await using gate = await startGate();
      await using fixture = await startFixture(['pid'], { runtime, limits: { maxEnvironments: 2 } });
      const replies = Array.from({ length: 5 }, () => fixture.fetch(`/pid?gate=${quoted(gate.url)}`));
      let served = 0;
      while (served < 5) {
        expect(await until(() => gate.waiting.length > 0)).toBe(true);
        expect(fixture.platform.environments().length).toBeLessThanOrEqual(2);
        served += gate.waiting.length;
        gate.open();
      }
      expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    });

    it('that do not come free in time: 429', async () => {
      await using gate = await startGate();
      // Long enough for a cold start on a busy machine.
      const limits = { maxEnvironments: 1, queueSeconds: 1.5 };
      await using fixture = await startFixture(['pid'], { runtime, limits });
      const first = fixture.fetch(`/pid?gate=${quoted(gate.url)}`);
      expect(await until(() => gate.waiting.length === 1)).toBe(true);
      expect((await fixture.fetch('/pid')).status).toBe(429);
      gate.open();
      expect((await first).status).toBe(200);
    });

    it('are frozen between requests', async () => {
      await using fixture = await startFixture(['pid'], { runtime });
      for (let round = 0; round < 3; round += 1) {
        const pid = Number((await fixture.fetch('/pid')).text);
        expect(await until(() => processState(pid) === 'T')).toBe(true);
        expect(fixture.platform.environments()).toEqual([{ functionName: 'pid', pid, state: 'frozen' }]);
      }
    });

    it('that stay idle are let go', async () => {
      await using fixture = await startFixture(['pid'], { runtime, limits: { idleKeepSeconds: 0.2 } });
      const pid = Number((await fixture.fetch('/pid')).text);
      expect(await until(() => isGone(pid))).toBe(true);
      expect(await until(() => fixture.platform.environments().length === 0)).toBe(true);
      expect((await fixture.fetch('/pid')).status).toBe(200);
    });

    it('that are killed from outside are replaced', async () => {
      await using fixture = await startFixture(['pid'], { runtime });
      const pid = Number((await fixture.fetch('/pid')).text);
      process.kill(pid, 'SIGKILL');
      expect(await until(() => fixture.platform.environments().length === 0)).toBe(true);
      expect((await fixture.fetch('/pid')).status).toBe(200);
    });

    it.each(['', '&silent=1'])(
      'end when their client leaves (%j), and with them what they had open',
      async (silent) => {
        await using gate = await startGate();
        await using fixture = await startFixture(['hold'], { runtime });
        const left = new AbortController();
        const reply = fixture.send(`/hold?upstream=${quoted(gate.url)}${silent}`, { signal: left.signal });
        reply.catch(() => {});
        expect(await until(() => gate.waiting.length === 1)).toBe(true);
        if (!silent) await (await reply).until('held');
        left.abort();
        expect(await until(async () => (await gate.connections()) === 0, 1000)).toBe(true);
        expect(await until(() => fixture.platform.environments().length === 0)).toBe(true);
      },
    );

    it('live on when the client leaves a moment before the end: it had read all it wanted', async () => {
      await using gate = await startGate();
      await using fixture = await startFixture(['stages'], { runtime });
      const left = new AbortController();
      const reply = await fixture.send(`/stages?gate=${quoted(gate.url)}`, { signal: left.signal });
      await reply.until('first');
      const pids = () => fixture.platform.environments().map(({ pid }) => pid);
      const before = pids();
      expect(await until(() => gate.waiting.length === 1)).toBe(true);
      left.abort();
      gate.open();
      expect(await until(() => fixture.platform.environments()[0]?.state === 'frozen')).toBe(true);
      expect(pids()).toEqual(before);
    });

    it.each(['pid', 'throwEarly'])('live on when the client leaves after a complete answer: %s', async (name) => {
      await using fixture = await startFixture([name], { runtime });
      await fixture.fetch(`/${name}`, { headers: { connection: 'close' } });
      const pids = () => fixture.platform.environments().map(({ pid }) => pid);
      const before = pids();
      expect(await until(() => fixture.platform.environments()[0]?.state === 'frozen')).toBe(true);
      expect(pids()).toEqual(before);
    });

    it('serve one client\u2019s requests one after the other', async () => {
      await using fixture = await startFixture(['pid'], { runtime });
      const pids = new Set<string>();
      for (let n = 0; n < 5; n += 1) pids.add((await fixture.fetch('/pid')).text);
      expect(pids.size).toBe(1);
    });

    it('that still have something to do behind their answer are waited for, a moment, though another one is idle', async () => {
      await using gate = await startGate();
      await using fixture = await startFixture(['linger'], { runtime });
      const gated = `/linger?ms=0&gate=${quoted(gate.url)}`;
      const both = [fixture.fetch(gated), fixture.fetch(gated)];
      expect(await until(() => gate.waiting.length === 2)).toBe(true);
      gate.open();
      await Promise.all(both);
      expect(await until(() => fixture.platform.environments().every(({ state }) => state === 'frozen'))).toBe(true);

      const first = await fixture.fetch('/linger?ms=400');
      const second = await fixture.fetch('/linger?ms=60000');
      expect([second.status, second.text]).toEqual([200, first.text]);
      expect((await fixture.fetch('/linger?ms=0')).text).not.toBe(first.text);
      expect(fixture.platform.environments()).toHaveLength(2);
    });

    it('see Lambda\u2019s variables, their own and those given, and nothing else of the runner', async () => {
      await using fixture = await startFixture(['environment'], { runtime, env: { GIVEN: 'yes' } });
      const env = (await fixture.fetch('/environment')).json() as Record<string, string>;
      expect(env).toMatchObject({
        GIVEN: 'yes',
        OF_THIS_FUNCTION: 'environment',
        AWS_LAMBDA_FUNCTION_NAME: 'environment',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
        AWS_REGION: 'us-east-1',
      });
      expect(env).not.toHaveProperty('HOME');
      expect(env).not.toHaveProperty('JEST_WORKER_ID');
    });

    it('have a URL of their own', async () => {
      await using fixture = await startFixture(['pid', 'echo'], { runtime });
      const response = await fetch(`${fixture.platform.urlOf('echo')}/anything`);
      expect(await response.json()).toMatchObject({ rawPath: '/anything', requestContext: { apiId: 'echo' } });
      expect(() => fixture.platform.urlOf('other')).toThrow('no function URL');
    });
  });

  describe('invoked directly', () => {
    it('a function gets the event and its result comes back', async () => {
      await using fixture = await startFixture(['value'], { runtime });
      expect(await fixture.platform.invoke('value', { a: 1 })).toEqual({ seen: { a: 1 } });
    });

    it('its error is thrown', async () => {
      await using fixture = await startFixture(['fails'], { runtime });
      const failed = await fixture.platform.invoke('fails', {}).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(FunctionError);
      expect(failed).toHaveProperty('failure.errorType', 'RangeError');
    });
  });

  it('closing leaves no process: frozen, busy or deaf to SIGTERM', async () => {
    await using gate = await startGate();
    const fixture = await startFixture(['pid', 'hold', 'stubborn'], { runtime });
    await fixture.fetch('/pid');
    await fixture.fetch('/stubborn');
    const held = await fixture.send(`/hold?upstream=${quoted(gate.url)}`);
    const pids = fixture.platform.environments().map(({ pid }) => pid);
    expect(pids).toHaveLength(3);
    await Promise.all([fixture.platform.close(), held.all()]);
    expect(pids.map(isGone)).toEqual([true, true, true]);
  });
};

needs('aws-lambda-ric')('another runtime', () => {
  it('is what new environments run on; those on the former one end with the request they serve', async () => {
    await using gate = await startGate();
    await using fixture = await startFixture(['stages', 'pid'], { runtime: 'client' });
    const before = (await fixture.fetch('/pid')).text;
    const held = await fixture.send(`/stages?gate=${quoted(gate.url)}`);
    await held.until('first');
    fixture.platform.useRuntime('ric');
    expect(fixture.platform.runtime).toBe('ric');
    expect((await fixture.fetch('/pid')).text).not.toBe(before);
    expect(await until(() => gate.waiting.length === 1)).toBe(true);
    gate.open();
    expect((await held.all()).text).toBe('firstsecond');
    const isLeft = (name: string) => fixture.platform.environments().some((one) => one.functionName === name);
    expect(await until(() => !isLeft('stages'))).toBe(true);
    expect([isLeft('pid'), fixture.logs]).toEqual([true, []]);
  });
});

needs('aws-lambda-ric')('the local platform with aws-lambda-ric', onRuntime('ric'));
describe('the local platform with our own runtime client', onRuntime('client'));
