import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  paginateListTasks,
} from '@aws-sdk/client-ecs';
import {
  DeleteParametersCommand,
  GetParameterCommand,
  GetParametersCommand,
  PutParameterCommand,
  paginateGetParametersByPath,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import aws4 from 'aws4';
import { ecsTask } from '../../support/aws/container-service.ts';
import { type Aws, startAws } from '../../support/aws.ts';
import { fetchAll } from '../../support/http.ts';

let aws: Aws;
let ssm: SSMClient;
let ecs: ECSClient;

const credentials = () => ({
  accessKeyId: String(aws.env.AWS_ACCESS_KEY_ID),
  secretAccessKey: String(aws.env.AWS_SECRET_ACCESS_KEY),
  sessionToken: String(aws.env.AWS_SESSION_TOKEN),
});
const clientOptions = (changes: object = {}) => ({
  region: 'eu-central-1',
  endpoint: aws.url,
  maxAttempts: 1,
  credentials: credentials(),
  ...changes,
});

beforeEach(async () => {
  aws = await startAws();
  ssm = new SSMClient(clientOptions());
  ecs = new ECSClient(clientOptions());
});
afterEach(async () => {
  ssm.destroy();
  ecs.destroy();
  await aws.close();
});

const get = (...Names: string[]) => ssm.send(new GetParametersCommand({ Names, WithDecryption: true }));
const putParameter = (Value: string, more: object = {}) =>
  ssm.send(new PutParameterCommand({ Name: '/gw/a', Value, Type: 'String', ...more }));

describe('parameters', () => {
  test('are read in one call, with the names that do not exist', async () => {
    aws.ssm.put('/gw/a', '1');
    aws.ssm.put('/gw/b', 'ü', 'SecureString');
    const { Parameters, InvalidParameters } = await get('/gw/a', '/gw/b', '/gw/c');
    expect(Parameters?.map(({ Name, Value }) => [Name, Value])).toEqual([
      ['/gw/a', '1'],
      ['/gw/b', 'ü'],
    ]);
    expect(InvalidParameters).toEqual(['/gw/c']);
    expect(aws.calls).toMatchObject([{ operation: 'GetParameters', outcome: 'ok' }]);
  });

  test('stay encrypted unless decryption is asked for', async () => {
    aws.ssm.put('/gw/b', 'secret', 'SecureString');
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: '/gw/b' }));
    expect(Parameter?.Value).not.toContain('secret');
  });

  test('at most ten by name', async () => {
    const eleven = Array.from({ length: 11 }, (_, at) => `/gw/${at}`);
    await expect(get(...eleven)).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(ssm.send(new DeleteParametersCommand({ Names: eleven }))).rejects.toThrow(/10/);
  });

  test('a missing one is ParameterNotFound', async () => {
    const read = ssm.send(new GetParameterCommand({ Name: '/gw/none' }));
    await expect(read).rejects.toMatchObject({ name: 'ParameterNotFound' });
  });

  test('by path come in pages of at most ten', async () => {
    for (let at = 0; at < 23; at += 1) aws.ssm.put(`/gw/s/${at}`, String(at));
    aws.ssm.put('/gw/s/deep/er', 'no');
    aws.ssm.put('/gw/sibling', 'no');
    const sizes: number[] = [];
    for await (const page of paginateGetParametersByPath({ client: ssm }, { Path: '/gw/s' })) {
      sizes.push(page.Parameters?.length ?? 0);
    }
    expect(sizes).toEqual([10, 10, 3]);
  });

  test('are overwritten only when asked, and count their versions', async () => {
    expect((await putParameter('1')).Version).toBe(1);
    await expect(putParameter('2')).rejects.toMatchObject({ name: 'ParameterAlreadyExists' });
    expect((await putParameter('2', { Overwrite: true })).Version).toBe(2);
    expect(aws.ssm.get('/gw/a')).toBe('2');
    expect(aws.ssm.writes.map(({ value }) => value)).toEqual(['1', '2']);
  });

  test('hold 4 KB of UTF-8, not of characters', async () => {
    await putParameter('x'.repeat(4096));
    const umlauts = putParameter('ü'.repeat(2049), { Overwrite: true });
    await expect(umlauts).rejects.toMatchObject({ name: 'ValidationException' });
    await putParameter('ü'.repeat(2049), { Overwrite: true, Tier: 'Advanced' });
  });

  test('are never empty', async () => {
    await expect(putParameter('')).rejects.toMatchObject({ name: 'ValidationException' });
  });
});

describe('tasks', () => {
  const place = { cluster: 'gpu', service: 'llm' };

  test('are listed in pages of 100 and described in batches of 100', async () => {
    const tasks = Array.from({ length: 205 }, (_, at) => ecsTask({ ...place, address: `10.0.0.${at}` }));
    aws.ecs.setTasks('gpu', 'llm', tasks);
    const pages: string[][] = [];
    for await (const { taskArns } of paginateListTasks({ client: ecs }, { cluster: 'gpu', serviceName: 'llm' })) {
      pages.push(taskArns ?? []);
    }
    expect(pages.map(({ length }) => length)).toEqual([100, 100, 5]);
    const described = await ecs.send(new DescribeTasksCommand({ cluster: 'gpu', tasks: pages[2] }));
    expect(described.tasks?.[0]?.attachments?.[0]?.details).toContainEqual({
      name: 'privateIPv4Address',
      value: '10.0.0.200',
    });
    expect(described.tasks?.[0]?.startedAt).toBeInstanceOf(Date);
    const tooMany = ecs.send(new DescribeTasksCommand({ cluster: 'gpu', tasks: pages.flat() }));
    await expect(tooMany).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  test('that stop are listed only when asked for', async () => {
    const stopping = ecsTask({ ...place, desiredStatus: 'STOPPED' });
    aws.ecs.setTasks('gpu', 'llm', [stopping, ecsTask(place)]);
    const list = (more: object) => ecs.send(new ListTasksCommand({ cluster: 'gpu', serviceName: 'llm', ...more }));
    expect((await list({})).taskArns).toHaveLength(1);
    expect((await list({ desiredStatus: 'STOPPED' })).taskArns).toEqual([stopping.taskArn]);
  });

  test('that are gone come back as failures', async () => {
    const task = ecsTask(place);
    aws.ecs.setTasks('gpu', 'llm', [task]);
    aws.ecs.vanish(task.taskArn);
    const { tasks, failures } = await ecs.send(new DescribeTasksCommand({ cluster: 'gpu', tasks: [task.taskArn] }));
    expect(tasks).toEqual([]);
    expect(failures).toEqual([{ arn: task.taskArn, reason: 'MISSING' }]);
  });

  test('of an unknown cluster or service are an error', async () => {
    const list = (cluster: string) => ecs.send(new ListTasksCommand({ cluster, serviceName: 'llm' }));
    await expect(list('gpu')).rejects.toMatchObject({ name: 'ClusterNotFoundException' });
    aws.ecs.setTasks('gpu', 'other', []);
    await expect(list('gpu')).rejects.toMatchObject({ name: 'ServiceNotFoundException' });
    const { failures } = await ecs.send(new DescribeServicesCommand({ cluster: 'gpu', services: ['llm'] }));
    expect(failures).toMatchObject([{ reason: 'MISSING' }]);
  });
});

describe('signatures', () => {
  test('of another secret, region, key or token are refused', async () => {
    aws.ssm.put('/gw/a', '1');
    const wrong = [
      { region: 'us-east-1' },
      { credentials: { ...credentials(), secretAccessKey: 'wrong' } },
      { credentials: { ...credentials(), accessKeyId: 'AKIAOTHER' } },
      { credentials: { ...credentials(), sessionToken: undefined } },
    ];
    const names: string[] = [];
    for (const changes of wrong) {
      const client = new SSMClient(clientOptions(changes));
      await client.send(new GetParametersCommand({ Names: ['/gw/a'] })).catch(({ name }) => names.push(name));
      client.destroy();
    }
    const invalid = 'InvalidSignatureException';
    const unknown = 'UnrecognizedClientException';
    expect(names).toEqual([invalid, invalid, unknown, unknown]);
  });

  test('of aws4 are accepted, and refused once the body changes or the clock is off', async () => {
    aws.ssm.put('/gw/a', '1');
    const body = JSON.stringify({ Names: ['/gw/a'] });
    const call = async (sent: string, headers: object = {}) => {
      const { host } = new URL(aws.url);
      const target = { 'X-Amz-Target': 'AmazonSSM.GetParameters', 'Content-Type': 'application/x-amz-json-1.1' };
      const request = { host, method: 'POST', path: '/', service: 'ssm', region: 'eu-central-1', body };
      const signed = aws4.sign({ ...request, headers: { ...target, ...headers } }, credentials());
      const { 'Content-Length': _, ...rest } = signed.headers as Record<string, string>;
      return fetchAll(aws.url, { headers: { ...rest, 'Content-Length': String(sent.length) }, body: sent });
    };
    expect((await call(body)).status).toBe(200);
    expect((await call(body.replace('a', 'b'))).json()).toMatchObject({ __type: 'InvalidSignatureException' });
    const old = { 'X-Amz-Date': '20200101T000000Z' };
    expect((await call(body, old)).json()).toMatchObject({ message: expect.stringContaining('expired') });
  });

  test('are required', async () => {
    const headers = { 'x-amz-target': 'AmazonSSM.GetParameters', 'content-type': 'application/x-amz-json-1.1' };
    const received = await fetchAll(aws.url, { headers, body: '{}' });
    expect(received.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' });
  });
});

describe('faults', () => {
  beforeEach(() => aws.ssm.put('/gw/a', '1'));
  const outcome = () =>
    get('/gw/a').then(
      () => 'ok',
      ({ name }: Error) => name,
    );

  test('throttling lets a burst pass', async () => {
    aws.fault('ssm', { kind: 'throttled', perSecond: 0.001, burst: 3 });
    const outcomes = await Promise.all(Array.from({ length: 5 }, outcome));
    expect(outcomes.sort()).toEqual(['ThrottlingException', 'ThrottlingException', 'ok', 'ok', 'ok']);
    aws.fault('ssm', undefined);
    expect(await outcome()).toBe('ok');
  });

  test.each([
    ['denied', 'AccessDeniedException'],
    ['broken', 'InternalServerError'],
    ['malformed', 'SyntaxError'],
    ['reset', 'Error'],
  ] as const)('%s', async (kind, name) => {
    aws.fault('GetParameters', { kind });
    expect(await outcome()).toBe(name);
  });

  test('hanging ends with the client', async () => {
    aws.fault('ssm', { kind: 'hanging' });
    const abort = new AbortController();
    const read = ssm.send(new GetParametersCommand({ Names: ['/gw/a'] }), { abortSignal: abort.signal });
    while (aws.count() === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    await expect(read).rejects.toMatchObject({ name: 'AbortError' });
    expect(aws.calls).toMatchObject([{ outcome: 'hang' }]);
  });

  test('a sequence of writes stops half way', async () => {
    aws.fault('PutParameter', { kind: 'broken-after', calls: 2 });
    const write = (at: number) => putParameter(String(at), { Name: `/gw/w/${at}` });
    await write(0);
    await write(1);
    await expect(write(2)).rejects.toMatchObject({ name: 'InternalServerError' });
    expect(aws.ssm.writes).toHaveLength(2);
    expect(await outcome()).toBe('ok');
  });

  test('slow', async () => {
    aws.fault('ssm', { kind: 'slow', milliseconds: 50 });
    const before = performance.now();
    await outcome();
    expect(performance.now() - before).toBeGreaterThan(45);
  });
});
