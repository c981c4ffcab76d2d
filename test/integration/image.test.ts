import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startAws } from '../support/aws.ts';
import { startContainer } from '../support/container.ts';
import { containerParams } from '../support/container-params.ts';
import { settingOf } from '../support/gateway.ts';
import { fetchAll } from '../support/http.ts';
import { operation, pathOf } from '../support/operations.ts';
import { packageTemplates } from '../support/osls.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';

/** The image's own steps, run without docker: the same files into an empty folder, the same variables, user and command. */
const root = fileURLToPath(new URL('../..', import.meta.url));

type Step = readonly [instruction: string, argument: string];

const steps: Step[] = readFileSync(join(root, 'infra/container/Dockerfile'), 'utf8')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'))
  .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
const from = steps.findLastIndex(([instruction]) => instruction === 'FROM');
const [building, final] = [steps.slice(0, from), steps.slice(from)];
const argumentsOf = (of: readonly Step[], wanted: string) =>
  of.flatMap(([instruction, argument]) => (instruction === wanted ? [argument] : []));

/** `node` of the official images. */
const NODE_USER = 1000;
const model = 'test-model';
let folder: string;
let worker: StandIn;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'image-'));
  worker = await startWorker({ name: 'alpha', models: [model] });
});
afterAll(async () => {
  await worker?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Task {
  readonly ContainerDefinitions: readonly {
    readonly User: string;
    readonly Environment: readonly { readonly Name: string; readonly Value: unknown }[];
    readonly HealthCheck: { readonly Command: readonly string[] };
  }[];
}

/** The image, laid out in a folder: what starts there, and as what. */
interface Image {
  readonly folder: string;
  readonly node: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}
let image: Image;
const start = (env: Record<string, string>) =>
  startContainer({
    command: [image.node, ...image.args],
    cwd: image.folder,
    ...(process.getuid?.() === 0 && { uid: NODE_USER }),
    env: { ...image.env, ...env, PORT: '0' },
  });
const ask = (origin: string, headers: Record<string, string>) =>
  fetchAll(origin + pathOf(operation('chat'), model), { headers, body: operation('chat').body(model) });

test('builds of what it copies, and its files, user and command serve from a folder with nothing else in it', async () => {
  const workshop = join(folder, 'build');
  for (const copied of argumentsOf(building, 'COPY')) {
    const parts = copied.split(' ');
    const to = parts.at(-1) ?? '';
    for (const source of parts.slice(0, -1)) {
      const target = to.endsWith('/') ? join(workshop, to, source.split('/').at(-1) ?? '') : join(workshop, to);
      cpSync(join(root, source), target, { recursive: true });
    }
  }
  // In place of `npm ci`: one folder up, where Node and esbuild find them.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  expect(argumentsOf(building, 'RUN')).toEqual(['npm ci --ignore-scripts --no-audit --no-fund', 'node infra/build.js']);
  await promisify(execFile)(process.execPath, ['infra/build.js'], { cwd: workshop });

  const files = join(folder, 'image');
  mkdirSync(files);
  for (const copied of argumentsOf(final, 'COPY')) {
    const [source = '', to = ''] = copied.replace('--from=build /gateway/', '').split(' ');
    cpSync(join(workshop, source), join(files, to), { recursive: true });
  }
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  for (const path of [folder, node]) chmodSync(path, 0o755);
  const [command = ''] = argumentsOf(final, 'CMD');
  const [program, ...args] = JSON.parse(command) as string[];
  expect([program, argumentsOf(final, 'USER')]).toEqual(['node', ['node']]);
  const env = Object.fromEntries(
    argumentsOf(final, 'ENV')
      .flatMap((given) => given.split(' '))
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  expect(env).toMatchObject({ HOST: '0.0.0.0', PORT: '8080' });
  expect(Object.keys(env)).not.toContain('GATEWAY_ALLOW_ANONYMOUS');
  image = { folder: files, node, args, env };
  await using container = await start({
    LOCALAI_API_KEY: 'sk-test',
    LOCALAI_WORKERS: JSON.stringify([settingOf(worker)]),
  });
  expect((await ask(container.origin, { authorization: 'Bearer sk-test' })).status).toBe(200);
  expect((await ask(container.origin, {})).status).toBe(401);
  const [health = ''] = argumentsOf(final, 'HEALTHCHECK');
  const check = JSON.parse(health.slice(health.indexOf('['))) as string[];
  const { port } = new URL(container.origin);
  await promisify(execFile)(node, check.slice(1), { env: { PORT: port } });
  await expect(promisify(execFile)(node, check.slice(1), { env: { PORT: '1' } })).rejects.toMatchObject({ code: 1 });
  container.child.kill('SIGINT');
  expect(await container.exited).toBe(0);
});

test('runs as the stack`s task: with its environment, its settings from SSM, and for CloudFront only', async () => {
  const template = (await packageTemplates([['container', containerParams]])).get('container');
  const task = template?.Resources.ContainerTaskDefinition?.Properties as unknown as Task;
  const [{ User = '', Environment = [], HealthCheck } = {}] = task.ContainerDefinitions;
  expect([User]).toEqual(argumentsOf(final, 'USER'));
  await using aws = await startAws();
  aws.ssm.put('/localai-gateway/dev/runtime/api-keys', 'sk-ssm', 'SecureString');
  // What CloudFormation fills in.
  const filled: Record<string, string> = { GATEWAY_EDGE_SECRET: 'of-cloudfront', AWS_REGION: 'eu-central-1' };
  const variables = Environment.map(({ Name, Value }) => [Name, filled[Name] ?? Value] as const);
  for (const [name, value] of variables) expect([name, typeof value]).toEqual([name, 'string']);
  await using container = await start({
    ...(Object.fromEntries(variables) as Record<string, string>),
    ...aws.env,
    LOCALAI_WORKERS: JSON.stringify([settingOf(worker)]),
  });
  const { origin, child, exited } = container;
  expect((await fetchAll(`${origin}/readyz`)).status).toBe(200);
  const authorization = 'Bearer sk-ssm';
  expect((await ask(origin, { authorization })).status).toBe(403);
  expect((await ask(origin, { authorization, 'x-origin-secret': 'of-cloudfront' })).status).toBe(200);
  const [, program, ...check] = HealthCheck?.Command ?? [];
  expect(program).toBe('node');
  await promisify(execFile)(image.node, check, { env: { PORT: new URL(origin).port } });
  // Nothing is under way, so it need not use what the task has to stop.
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
}, 60_000);
