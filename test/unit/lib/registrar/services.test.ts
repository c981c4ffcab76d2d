import { GetParametersByPathCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { mockClient } from 'aws-sdk-client-mock';
import { parseService, readServices } from '../../../../lib/registrar/services.ts';

describe('parseService', () => {
  it('reads an ECS service, http by default', () => {
    expect(parseService('{"cluster":"gpu","service":"chat","port":8080}')).toEqual({
      cluster: 'gpu',
      service: 'chat',
      port: 8080,
      scheme: 'http',
    });
  });

  it('reads listed workers, without a trailing slash', () => {
    expect(parseService('{"workers":[{"id":"a","url":"http://10.0.0.1:8080/"}]}')).toEqual({
      workers: [{ id: 'a', url: 'http://10.0.0.1:8080' }],
    });
  });

  it('takes what stands beside listed workers for each of them, unless it says otherwise', () => {
    const a = { id: 'a', url: 'http://10.0.0.1' };
    const b = { id: 'b', url: 'http://10.0.0.2', serves: ['rerank'] };
    const all = { engine: 'vllm', serves: ['speech'], load: 'haproxy' };
    expect(parseService(JSON.stringify({ workers: [a, b], ...all }))).toEqual({
      workers: [
        { ...a, ...all },
        { ...b, ...all, serves: ['rerank'] },
      ],
    });
  });

  it('never lets a key through', () => {
    const text = '{"workers":[{"id":"a","url":"http://10.0.0.1","apiKey":"secret"}]}';
    expect(JSON.stringify(parseService(text))).not.toContain('secret');
  });

  it.each([
    ['{}', { min: 1, max: 1, idleMs: 900_000, wakeMs: 2_400_000 }],
    ['{"min":0}', { min: 0, max: 1, idleMs: 900_000, wakeMs: 2_400_000 }],
    ['{"min":3}', { min: 3, max: 3, idleMs: 900_000, wakeMs: 2_400_000 }],
    ['{"min":0,"max":2,"idleMinutes":0.05,"wakeMinutes":0.5}', { min: 0, max: 2, idleMs: 3_000, wakeMs: 30_000 }],
  ])('reads how a count may change: %s', (scale, expected) => {
    expect(parseService(`{"cluster":"gpu","service":"chat","port":1,"scale":${scale}}`)).toMatchObject({
      scale: expected,
    });
  });

  it.each([
    '{"min":-1}',
    '{"min":0.5}',
    '{"min":2,"max":1}',
    '{"max":0}',
    '{"idleMinutes":0}',
    '{"wakeMinutes":"1"}',
    '1',
  ])('refuses %s as a way to change a count', (scale) =>
    expect(parseService(`{"cluster":"gpu","service":"chat","port":1,"scale":${scale}}`)).toEqual({
      malformed: expect.stringMatching(/^scale/),
    }),
  );

  it.each([
    ['{', 'not JSON'],
    ['5', 'not an object'],
    ['null', 'not an object'],
    ['{"cluster":"gpu","port":1}', 'service'],
    ['{"cluster":"gpu","service":"chat","port":"8080"}', 'port'],
    ['{"cluster":"gpu","service":"chat","port":70000}', 'port'],
    ['{"cluster":"gpu","service":"chat","port":1,"engine":"what"}', 'engine'],
    ['{"workers":[{"id":"a b","url":"http://10.0.0.1"}]}', 'workers.0.id'],
    ['{"workers":[{"id":"a","url":"ftp://10.0.0.1"}]}', 'workers.0.url'],
    ['{"workers":[{"id":"a","url":"http://u:p@10.0.0.1"}]}', 'workers.0.url'],
    ['{"workers":[{"id":"a","url":"http://10.0.0.1/?a=b"}]}', 'workers.0.url'],
    ['{"workers":[],"engine":"what"}', 'engine'],
    ['{"workers":[{"id":"a","url":"http://10.0.0.1","serves":["what"]}]}', 'workers.0.serves.0'],
    ['{"cluster":"gpu","service":"chat","port":1,"serves":"rerank"}', 'serves'],
  ])('says what is wrong with %s: %s', (text, malformed) => expect(parseService(text)).toEqual({ malformed }));
});

describe('readServices', () => {
  const ssm = mockClient(SSMClient);
  afterEach(() => void ssm.reset());

  it('reads all pages, decrypted, and names services by their path', async () => {
    const parameter = (name: string, port: number) => ({
      Name: `/p/services/${name}`,
      Value: JSON.stringify({ cluster: 'c', service: name, port }),
    });
    ssm
      .on(GetParametersByPathCommand, { Path: '/p/services', Recursive: true, WithDecryption: true })
      .resolvesOnce({ Parameters: [parameter('a', 1)], NextToken: 'more' })
      .resolvesOnce({ Parameters: [{ Name: '/p/services/team/b', Value: 'broken' }] });
    const services = await readServices(new SSMClient({ region: 'eu-central-1' }), '/p', new AbortController().signal);
    expect([...services.keys()]).toEqual(['a', 'team/b']);
    expect(services.get('team/b')).toEqual({ malformed: 'not JSON' });
    expect(ssm.commandCalls(GetParametersByPathCommand)[1]?.args[0].input.NextToken).toBe('more');
  });
});
