import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Platform, startPlatform } from '../../infra/local/platform.ts';
import { readFunctions } from '../../infra/local/serverless-yml.ts';
import { INFERENCE } from '../../lib/endpoints/family.ts';
import { functionFor } from '../../lib/endpoints/index.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { send } from '../support/http.ts';
import { needs } from '../support/needs.ts';
import { operations } from '../support/operations.ts';
import { type Package, packageStack } from '../support/osls.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { unzip } from '../support/unzip.ts';

const model = 'test-model';
const functions = readFunctions(new URL('../../serverless.yml', import.meta.url).pathname);
const served = functions.filter(({ name }) => name !== 'registrar' && name !== 'nodes');

/** What a first request may load beside the bundle: settings in SSM are asked for with a signature. */
const SIGNING = 'aws4.cjs';

/** @returns the files that a bundle in this folder imports when it needs them. */
const onDemandIn = (folder: string): string[] => {
  const bundle = readFileSync(join(folder, 'index.cjs'), 'utf8');
  return [...new Set([...bundle.matchAll(/\bimport\("\.\/([^"]+)"\)/g)].map(([, file = '']) => file))];
};

let made: Package;
/** What `serverless deploy` would upload: each zip unpacked into a folder of its own, far from any `node_modules`. */
let root: string;
const files = new Map<string, string[]>();
const logicalId = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1)}LambdaFunction`;

beforeAll(async () => {
  made = await packageStack();
  root = mkdtempSync(join(tmpdir(), 'packages-'));
  for (const { name } of functions) files.set(name, unzip(join(made.folder, `${name}.zip`), join(root, name)));
}, 120_000);
afterAll(() => {
  made?.[Symbol.dispose]();
  if (root) rmSync(root, { recursive: true, force: true });
});

test('a function for each family, whose URL streams', () => {
  expect(served.map(({ name }) => name)).toEqual(INFERENCE);
  for (const { name } of [...served, { name: 'nodes' }]) {
    const urls = Object.values(made.template.Resources).filter(
      ({ Type, Properties }) =>
        Type === 'AWS::Lambda::Url' && JSON.stringify(Properties?.TargetFunctionArn).includes(`"${logicalId(name)}"`),
    );
    expect(urls.map(({ Properties }) => Properties?.InvokeMode)).toEqual(['RESPONSE_STREAM']);
  }
});

test.each(functions)('$name is a Node 24 function on arm64', ({ name, timeoutSeconds, memory }) => {
  expect(made.template.Resources[logicalId(name)]?.Properties).toMatchObject({
    Runtime: 'nodejs24.x',
    Architectures: ['arm64'],
    Handler: `dist/${name}/index.handler`,
    Timeout: timeoutSeconds,
    MemorySize: memory,
  });
});

test.each(functions.map(({ name }) => name))(
  '%s: its bundle, what it loads on demand, source maps, no more',
  (name) => {
    const folder = join(root, name, 'dist', name);
    const onDemand = onDemandIn(folder);
    expect(onDemand.length > 0).toBe(name !== 'registrar');
    const bundles = ['index.cjs', ...onDemand].map((file) => `dist/${name}/${file}`);
    expect(files.get(name)?.sort()).toEqual(bundles.flatMap((file) => [file, `${file}.map`]).sort());
    const map = JSON.parse(readFileSync(join(root, name, `dist/${name}/index.cjs.map`), 'utf8')) as {
      sources: string[];
    };
    expect(map.sources.some((source) => source.endsWith(`functions/${name}.ts`))).toBe(true);
  },
);

needs('aws-lambda-ric')('the packages under the real runtime client', () => {
  let worker: StandIn;
  let aws: Aws;
  let platform: Platform;
  const logs: string[] = [];

  beforeAll(async () => {
    [worker, aws] = await Promise.all([startWorker({ name: 'w', models: [model] }), startAws()]);
    // Whatever is loaded on demand says so from here on.
    for (const { name } of functions) {
      const folder = join(root, name, 'dist', name);
      for (const file of onDemandIn(folder)) {
        const code = readFileSync(join(folder, file), 'utf8');
        writeFileSync(join(folder, file), `console.log('loaded on demand: ${file}');${code}`);
      }
    }
    aws.ssm.put('/localai-gateway/dev/services/own', JSON.stringify({ workers: [{ id: 'node-w', url: worker.url }] }));
    aws.ssm.put('/localai-gateway/dev/runtime/expose-node-header', 'true');
    aws.ssm.put('/localai-gateway/dev/runtime/api-keys', 'caller', 'SecureString');
    aws.ssm.put('/localai-gateway/dev/runtime/admin-keys', 'operator', 'SecureString');
    platform = await startPlatform({
      functions: functions.map((fn) => {
        const { Handler } = made.template.Resources[logicalId(fn.name)]?.Properties ?? {};
        return { ...fn, bundleDir: join(root, fn.name), handler: String(Handler) };
      }),
      routeOf: (_, path) => functionFor(path),
      env: { ...aws.env, GATEWAY_SSM_PREFIX: '/localai-gateway/dev', OTEL_SERVICE_NAME: 'localai-gateway-dev' },
      runtime: 'ric',
      onLog: (name, line) => logs.push(`${name}: ${line}`),
    });
    await platform.invoke('registrar', { 'detail-type': 'Scheduled Event', source: 'aws.events' });
  }, 120_000);
  afterAll(async () => {
    await platform?.close();
    await Promise.all([worker?.[Symbol.asyncDispose](), aws?.close()]);
  });

  test('the registrar has written the fleet', () => {
    expect(aws.ssm.names()).toContain('/localai-gateway/dev/runtime/fleet/0');
  });

  test.each(served.map(({ name }) => name))('%s serves a first request from its bundle alone', async (name) => {
    const operation = operations.find(({ family }) => family === name);
    if (!operation) throw new Error(`no operation of ${name}`);
    const [path = ''] = operation.paths;
    const startedAt = performance.now();
    const reply = await send(platform.urlOf(name) + path, {
      headers: { authorization: 'Bearer caller' },
      body: operation.body(model, operation.streams !== undefined),
    });
    const { status, headers, complete } = await reply.all();
    expect({ status, complete, node: headers['x-localai-node'] }).toEqual({
      status: 200,
      complete: true,
      node: 'node-w',
    });
    expect(reply.headAt - startedAt).toBeLessThan(10_000);
    const loaded = logs.flatMap((line) => /^(\w+): .*loaded on demand: (\S+)/.exec(line)?.slice(1, 3).join('/') ?? []);
    expect(loaded.filter((file) => file.startsWith(`${name}/`))).toEqual([`${name}/${SIGNING}`]);
  });

  test('nodes lists the worker to an admin', async () => {
    const url = `${platform.urlOf('nodes')}/api/nodes`;
    const nodes = await (await send(url, { headers: { 'x-api-key': 'operator' } })).all();
    expect(nodes.json()).toEqual([expect.objectContaining({ id: 'node-w', status: 'healthy', models: [model] })]);
  });
});
