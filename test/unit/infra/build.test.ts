import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { build } from '../../../infra/build.js';

let folder: string;
const source = () => join(folder, 'functions');
const outdir = () => join(folder, 'dist');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'build-'));
  await mkdir(source());
  await writeFile(join(folder, 'shared.ts'), 'export const shared: string = "shared";');
  const code = `import { STATUS_CODES } from 'node:http';
import { shared } from '../shared.ts';
export const handler = () => shared + STATUS_CODES[200];`;
  await writeFile(join(source(), 'one.ts'), code);
  await writeFile(join(source(), 'two.ts'), `${code}\nexport const two = 2;`);
});
afterAll(() => rm(folder, { recursive: true }));

it('leaves one folder a function, which needs nothing outside itself', async () => {
  const built = await build({ source: source(), outdir: outdir() });
  expect(built.map(({ name }) => name)).toEqual(['one', 'two']);
  for (const { name, file, bytes } of built) {
    expect(file).toBe(join(outdir(), name, 'index.cjs'));
    expect((await stat(file)).size).toBe(bytes);
    expect((await readdir(join(outdir(), name))).sort()).toEqual(['index.cjs', 'index.cjs.map']);
    const alone = join(folder, `${name}-alone.cjs`);
    await writeFile(alone, await readFile(file));
    expect(createRequire(import.meta.url)(alone).handler()).toBe('sharedOK');
  }
  const meta = JSON.parse(await readFile(join(outdir(), 'meta.json'), 'utf8')) as { outputs: object };
  expect(Object.keys(meta.outputs)).toHaveLength(4);
});

it('builds only what is asked for, and leaves alone what did not change', async () => {
  await build({ source: source(), outdir: outdir() });
  const before = await stat(join(outdir(), 'one', 'index.cjs'));
  const built = await build({ functions: ['one'], source: source(), outdir: outdir() });
  expect(built.map(({ name }) => name)).toEqual(['one']);
  expect((await stat(join(outdir(), 'one', 'index.cjs'))).ino).toBe(before.ino);
});

it('takes away what an earlier build has left of a function, and nothing else', async () => {
  await build({ source: source(), outdir: outdir() });
  for (const file of ['late.cjs', 'late.cjs.map', 'note.txt']) await writeFile(join(outdir(), 'one', file), '');
  await writeFile(join(outdir(), 'two', 'late.cjs'), '');
  await build({ functions: ['one'], source: source(), outdir: outdir() });
  expect((await readdir(join(outdir(), 'one'))).sort()).toEqual(['index.cjs', 'index.cjs.map', 'note.txt']);
  expect(await readdir(join(outdir(), 'two'))).toContain('late.cjs');
  await rm(join(outdir(), 'one', 'note.txt'));
});

it('has no arrow functions, which V8 would compile at every cold start', async () => {
  const [built] = await build({ functions: ['one'], source: source(), outdir: outdir() });
  expect(await readFile(built?.file ?? '', 'utf8')).not.toContain('=>');
});

it('fails at what cannot be bundled', async () => {
  await writeFile(join(source(), 'broken.ts'), 'import "./nowhere.ts";');
  await expect(build({ functions: ['broken'], source: source(), outdir: outdir() })).rejects.toThrow('nowhere');
});

it('packages imported on demand lie beside the bundle, and only where they are', async () => {
  await mkdir(join(folder, 'node_modules', '@scope', 'late'), { recursive: true });
  await writeFile(join(folder, 'node_modules', '@scope', 'late', 'index.js'), 'exports.late = () => "late";');
  await writeFile(
    join(source(), 'demanding.ts'),
    `export const handler = async () => (await import('@scope/late')).late();`,
  );
  const [built] = await build({ functions: ['demanding'], source: source(), outdir: outdir() });
  const files = await readdir(join(outdir(), 'demanding'));
  expect(files.sort()).toEqual(['index.cjs', 'index.cjs.map', 'late.cjs', 'late.cjs.map']);
  expect(await createRequire(import.meta.url)(built?.file ?? '').handler()).toBe('late');
  expect(await readFile(built?.file ?? '', 'utf8')).not.toContain('"late"');
  expect((await readdir(join(outdir(), 'one'))).sort()).toEqual(['index.cjs', 'index.cjs.map']);
});

it('puts what our own code imports on demand beside the bundles of the functions that can need it, and of no others', async () => {
  await writeFile(join(folder, 'rare.ts'), 'export const rare = "rare";');
  await writeFile(join(folder, 'registry.ts'), 'export const some = { load: () => import("./rare.ts") };');
  const load = 'import { some } from "../registry.ts"; export const handler = async () => (await some.load()).rare;';
  await writeFile(join(source(), 'needing.ts'), load);
  await writeFile(
    join(source(), 'sparing.ts'),
    'import { some } from "../registry.ts"; export const handler = () => 1;',
  );
  const [needing] = await build({ functions: ['needing', 'sparing'], source: source(), outdir: outdir() });
  const files = (name: string) => readdir(join(outdir(), name));
  expect((await files('needing')).sort()).toEqual(['index.cjs', 'index.cjs.map', 'rare.cjs', 'rare.cjs.map']);
  expect((await files('sparing')).sort()).toEqual(['index.cjs', 'index.cjs.map']);
  expect(await readFile(needing?.file ?? '', 'utf8')).not.toContain('"rare"');
  expect(await createRequire(import.meta.url)(needing?.file ?? '').handler()).toBe('rare');
});
