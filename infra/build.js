import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as bundle, stop } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * Written only when it changed, and in one rename: an environment that starts meanwhile never reads half a bundle.
 * @param {string} path
 * @param {Uint8Array | string} contents
 */
const writeIfChanged = async (path, contents) => {
  const wanted = Buffer.from(contents);
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(wanted)) return;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, wanted);
  await rename(temporary, path);
};

/** @param {string} source @returns {Promise<string[]>} the functions' names: one file of the folder is one function */
const namesIn = async (source) =>
  (await readdir(source))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => basename(file, '.ts'))
    .sort();

/**
 * Bundles functions as they are deployed: `<outdir>/<name>/index.cjs` (handler `index.handler`) with
 * `index.cjs.map` beside it, needing nothing outside that folder; what is in each is in `<outdir>/meta.json`.
 *
 * CommonJS, and named so: an ESM import of `node:http` alone costs 20 ms at every cold start, and a `.js` of this
 * ESM package would be read as ESM.
 *
 * @param {{ functions?: string[], source?: string, outdir?: string }} [options] `functions`: names, all by default;
 *   `source`: folder of the entry files; `outdir`: target folder.
 * @returns {Promise<{ name: string, file: string, bytes: number }[]>}
 */
export const build = async ({ functions, source = join(root, 'functions'), outdir = join(root, 'dist') } = {}) => {
  const names = functions ?? (await namesIn(source));
  const result = await bundle({
    absWorkingDir: root,
    entryPoints: names.map((name) => ({ in: join(source, `${name}.ts`), out: `${name}/index` })),
    outdir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    sourcemap: 'external',
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  // Its service process is of no further use.
  await stop();
  await Promise.all(result.outputFiles.map((file) => writeIfChanged(file.path, file.contents)));
  await writeIfChanged(join(outdir, 'meta.json'), JSON.stringify(result.metafile, null, 1));
  return names.map((name) => {
    const file = join(outdir, name, 'index.cjs');
    return { name, file, bytes: result.outputFiles.find(({ path }) => path === file)?.contents.length ?? 0 };
  });
};

const main = async () => {
  for (const { file, bytes } of await build()) console.log(`${relative(root, file)}  ${(bytes / 1024).toFixed(1)} KB`);
};

// Not awaited at the top: osls loads its plugins with require(), which refuses such a module.
if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main();
