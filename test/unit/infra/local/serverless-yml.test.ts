import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFunctions } from '../../../../infra/local/serverless-yml.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serverless-yml-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (text: string) => {
  const file = join(folder, 'serverless.yml');
  writeFileSync(file, text);
  return readFunctions(file);
};

it('reads what the local platform needs, the provider\u2019s values where a function has none', () => {
  const functions = read(`
provider: { timeout: 900, memorySize: 512, environment: { ALL: 1, CLOUD: '/x/\${sls:stage}', REF: { Ref: Table } } }
functions:
  chat: { handler: dist/chat/index.handler, url: { invokeMode: RESPONSE_STREAM }, environment: { OWN: 'yes' } }
  plain: { handler: dist/plain/index.handler, url: true }
  nightly: { handler: dist/nightly/index.main, timeout: 60, memorySize: 128, url: false }
`);
  const chat = {
    name: 'chat',
    bundleDir: join(folder, 'dist/chat'),
    handler: 'index.handler',
    timeoutSeconds: 900,
    memory: 512,
    environment: { ALL: '1', OWN: 'yes' },
    hasUrl: true,
  };
  const rest = { environment: { ALL: '1' } };
  expect(functions).toEqual([
    chat,
    { ...chat, ...rest, name: 'plain', bundleDir: join(folder, 'dist/plain') },
    {
      ...rest,
      name: 'nightly',
      bundleDir: join(folder, 'dist/nightly'),
      handler: 'index.main',
      timeoutSeconds: 60,
      memory: 128,
      hasUrl: false,
    },
  ]);
});

it('has Lambda\u2019s own defaults where nothing is said', () => {
  expect(read('functions: { a: { handler: index.handler } }')).toMatchObject([
    { timeoutSeconds: 6, memory: 1024, bundleDir: folder, hasUrl: false },
  ]);
});

it('refuses a file without functions', () => {
  expect(() => read('service: x')).toThrow('lists no functions');
});
