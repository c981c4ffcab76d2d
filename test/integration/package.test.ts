import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFunctions } from '../../infra/local/serverless-yml.ts';
import { unzip } from '../support/unzip.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = ['functions', 'lib', 'infra', 'package.json', 'tsconfig.json', 'serverless.yml'];
const functions = readFunctions(join(root, 'serverless.yml'));
const families = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad', 'nodes'];

interface Template {
  Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
}

let clone: string;
let template: Template;

/** What `git clone` and `npm ci` leave: sources and packages, no `dist/`. */
beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'package-'));
  for (const source of sources) await cp(join(root, source), join(clone, source), { recursive: true });
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const osls = join(createRequire(import.meta.url).resolve('osls/package.json'), '..', 'bin', 'serverless.js');
  const { PATH, HOME } = process.env;
  // No AWS variables, no reachable proxy: it has to do without both.
  const env = { PATH, HOME, SLS_TELEMETRY_DISABLED: '1', HTTPS_PROXY: 'http://127.0.0.1:9', CI: 'true' };
  await run(process.execPath, [osls, 'package', '--package', 'packaged'], { cwd: clone, env });
  const file = join(clone, 'packaged', 'cloudformation-template-update-stack.json');
  template = JSON.parse(await readFile(file, 'utf8')) as Template;
}, 120_000);

afterAll(() => rm(clone, { recursive: true, force: true }));

const ofType = (type: string) => Object.values(template.Resources).filter(({ Type }) => Type === type);
const logicalId = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1)}LambdaFunction`;

it('knows every family', () => {
  expect(functions.filter(({ hasUrl }) => hasUrl).map(({ name }) => name)).toEqual(expect.arrayContaining(families));
});

it.each(families)('%s has a function URL that streams', (family) => {
  const urls = ofType('AWS::Lambda::Url').filter(({ Properties }) =>
    JSON.stringify(Properties.TargetFunctionArn).includes(`"${logicalId(family)}"`),
  );
  expect(urls.map(({ Properties }) => Properties.InvokeMode)).toEqual(['RESPONSE_STREAM']);
});

it.each(functions)(
  '$name is a Node 24 function on arm64, with its bundle and nothing else',
  async ({ name, timeoutSeconds, memory }) => {
    const { Properties } = template.Resources[logicalId(name)] ?? { Properties: {} };
    expect(Properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: `dist/${name}/index.handler`,
      Timeout: timeoutSeconds,
      MemorySize: memory,
    });
    const names = unzip(join(clone, 'packaged', `${name}.zip`), join(clone, 'unzipped'));
    expect(names).toContain(`dist/${name}/index.cjs`);
    expect(names.filter((file) => !file.startsWith(`dist/${name}/`))).toEqual([]);
  },
);
