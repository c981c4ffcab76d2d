import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
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

/**
 * What an earlier build left and this one does not make would be deployed with the rest.
 * @param {string} folder
 * @param {ReadonlySet<string>} made
 */
const removeOthers = async (folder, made) => {
  const others = (await readdir(folder)).filter((file) => /\.cjs(\.map)?$/.test(file) && !made.has(join(folder, file)));
  await Promise.all(others.map((file) => rm(join(folder, file), { force: true })));
};

/** @param {string} source @returns {Promise<string[]>} the functions' names: one file of the folder is one function */
const namesIn = async (source) =>
  (await readdir(source))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => basename(file, '.ts'))
    .sort();

/**
 * What our own code imports with `import()` is for later or never, and stays out of the bundle, of which every byte is
 * parsed at a cold start: the package, or the file of ours, becomes a file of its own beside it, with all it needs. What
 * both need is there twice: classes of one are strangers to the other.
 *
 * @param {Map<string, string>} found is told path -> the entry file.
 * @returns {import('esbuild').Plugin}
 */
const onDemand = (found) => ({
  name: 'on demand',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^(?:\.{1,2}\/.*|(@[^/]+\/)?[a-z][^/:]*)$/ }, async ({ kind, path, importer, resolveDir }) => {
      if (kind !== 'dynamic-import' || importer.includes(`${sep}node_modules${sep}`)) return undefined;
      const { errors, path: entry } = await resolve(path, { kind: 'import-statement', importer, resolveDir });
      const file = `./${basename(path, '.ts')}.cjs`;
      found.set(file, entry);
      return { errors, path: file, external: true };
    });
  },
});

/**
 * V8 leaves a `function` inside of another one unparsed until it is called, but compiles every arrow function at once:
 * written as functions, a bundle takes a fifth less CPU to start and 3 MB less memory, though it is a twelfth longer.
 */
const AS_FUNCTIONS = { arrow: false };

/**
 * Bundles functions as they are deployed: `<outdir>/<name>/index.cjs` (handler `index.handler`), beside it
 * `index.cjs.map` and what it loads on demand, needing nothing outside that folder; what is in each is in
 * `<outdir>/<meta>`.
 *
 * CommonJS, and named so: an ESM import of `node:http` alone costs 20 ms at every cold start, and a `.js` of this
 * ESM package would be read as ESM.
 *
 * @param {{ functions?: string[], source?: string, outdir?: string, meta?: string, supported?: Record<string, boolean> }} [options] `functions`: names, all by
 *   default; `source`: folder of the entry files; `outdir`: target folder.
 * @returns {Promise<{ name: string, file: string, bytes: number }[]>}
 */
export const build = async ({
  functions,
  source = join(root, 'functions'),
  outdir = join(root, 'dist'),
  meta: metaFile = 'meta.json',
  supported = AS_FUNCTIONS,
} = {}) => {
  const names = functions ?? (await namesIn(source));
  /** @type {Map<string, string>} */
  const onDemandFiles = new Map();
  /** @satisfies {import('esbuild').BuildOptions} */
  const options = {
    absWorkingDir: root,
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
    supported,
    logLevel: 'warning',
  };
  const bundles = await bundle({
    ...options,
    entryPoints: names.map((name) => ({ in: join(source, `${name}.ts`), out: `${name}/index` })),
    plugins: [onDemand(onDemandFiles)],
  });
  const { outputs } = bundles.metafile;
  const late = await bundle({
    ...options,
    entryPoints: Object.entries(outputs).flatMap(([output, { imports }]) =>
      imports
        .filter(({ path, external }) => external && onDemandFiles.has(path))
        .map(({ path }) => ({
          in: onDemandFiles.get(path) ?? '',
          out: join(basename(dirname(output)), basename(path, '.cjs')),
        })),
    ),
  });
  // Its service process is of no further use.
  await stop();
  const files = [...bundles.outputFiles, ...late.outputFiles];
  await Promise.all(files.map((file) => writeIfChanged(file.path, file.contents)));
  const made = new Set(files.map(({ path }) => path));
  await Promise.all(names.map((name) => removeOthers(join(outdir, name), made)));
  const meta = {
    inputs: { ...bundles.metafile.inputs, ...late.metafile.inputs },
    outputs: { ...outputs, ...late.metafile.outputs },
  };
  await writeIfChanged(join(outdir, metaFile), JSON.stringify(meta, null, 1));
  return names.map((name) => {
    const file = join(outdir, name, 'index.cjs');
    const bytes = bundles.outputFiles.find(({ path }) => path === file)?.contents.length ?? 0;
    return { name, file, bytes };
  });
};

/**
 * Bundles the container door as its image has it: `<outdir>/server/index.cjs`, a program and no function.
 * @param {{ outdir?: string }} [options]
 */
export const buildServer = ({ outdir } = {}) =>
  build({
    source: join(root, 'container'),
    meta: 'server-meta.json',
    // It starts once. And `ws` has an arrow function in front of a `super()`, which esbuild rewrites to what cannot run.
    supported: {},
    ...(outdir && { outdir }),
  });

/** Everything that `npm run build` leaves. */
export const buildAll = async () => [...(await build()), ...(await buildServer())];

const main = async () => {
  for (const { file, bytes } of await buildAll())
    console.log(`${relative(root, file)}  ${(bytes / 1024).toFixed(1)} KB`);
};

// Not awaited at the top: osls loads its plugins with require(), which refuses such a module.
if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main();
