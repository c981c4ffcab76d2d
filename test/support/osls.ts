import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Resource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly DependsOn?: string | readonly string[];
  readonly Metadata?: Readonly<Record<string, unknown>>;
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown }>>;
  readonly Parameters?: Readonly<Record<string, unknown>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
}

/** What `serverless package` leaves. */
export interface Package extends Disposable {
  /** Folder with the zip files. */
  readonly folder: string;
  readonly template: Template;
}

const bin = join(dirname(createRequire(import.meta.url).resolve('osls/package.json')), 'bin/serverless.js');
const optionsOf = (params: Readonly<Record<string, string>>) =>
  Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);

/** What osls and Node compile at every run is the same: a schema, of which it is four fifths of the time, and their own code. */
const caches = {
  SLS_SCHEMA_CACHE_BASE_DIR: join(root, 'node_modules/.cache/osls'),
  NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile-cache'),
};

/** Nothing of this machine: no region, no profile, no credentials, and no home to find some in. */
const bare = (home: string) => ({
  ...caches,
  PATH: process.env.PATH,
  HOME: home,
  SLS_TELEMETRY_DISABLED: '1',
  NODE_NO_WARNINGS: '1',
});

/**
 * A copy of the project in a folder of its own: osls keeps its state beside `serverless.yml`. The packages are one
 * folder up, where Node finds them and osls, which reads through everything of a project for each function, does not.
 */
const copyProject = (sources: readonly string[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'stack-'));
  const project = join(folder, 'project');
  for (const source of sources) cpSync(join(root, source), join(project, source), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { project, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
};
const PROJECT = ['functions', 'lib', 'infra', 'package.json', 'tsconfig.json', 'serverless.yml'];

/** What an osls command said, and how it ended. */
export interface Ended {
  readonly output: string;
  readonly code: number;
}

const runOsls = (project: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  new Promise<Ended>((resolve) => {
    const options = { cwd: project, env: { ...bare(project), ...env } };
    execFile(process.execPath, [bin, ...args], options, (error, stdout, stderr) =>
      resolve({ output: stdout + stderr, code: error ? Number(error.code) || 1 : 0 }),
    );
  });

/**
 * Runs `serverless package` as an operator does, with no credentials and no network, beside things that must stay here.
 * @param params `--param` names and values.
 * @throws {Error} with what it printed, when it fails.
 */
export const packageStack = async (params: Readonly<Record<string, string>> = {}): Promise<Package> => {
  const { project, [Symbol.dispose]: dispose } = copyProject(PROJECT);
  const folder = join(project, 'packaged');
  for (const file of ['.env', 'notes.txt', 'node_modules/some-package/index.js']) {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    writeFileSync(join(project, file), 'stays here');
  }
  const args = ['package', '--package', folder, ...optionsOf(params)];
  const { output, code } = await runOsls(project, args, { HTTPS_PROXY: 'http://127.0.0.1:9', CI: 'true' });
  if (code !== 0) throw new Error(output);
  const template = JSON.parse(readFileSync(join(folder, 'cloudformation-template-update-stack.json'), 'utf8'));
  return { folder, template, [Symbol.dispose]: dispose };
};

/**
 * A place where `serverless package` can be run again and again for its template alone: the functions' code is a line
 * each there, and is not bundled, which takes most of the time.
 */
interface TemplateWorkshop extends Disposable {
  /** @throws {Error} with what osls printed, when it fails. */
  readonly templateOf: (params: Readonly<Record<string, string>>, stage?: string) => Promise<Template>;
}

const openTemplateWorkshop = (): TemplateWorkshop => {
  const { project, [Symbol.dispose]: dispose } = copyProject(['lib', 'infra', 'package.json', 'serverless.yml']);
  for (const name of readdirSync(join(root, 'functions'))) {
    const folder = join(project, 'dist', name.replace('.ts', ''));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'index.cjs'), '');
  }
  writeFileSync(join(project, 'infra/bundle.js'), 'export default class {}');
  return {
    templateOf: async (params, stage) => {
      const forStage = stage === undefined ? [] : ['--stage', stage];
      const { output, code } = await runOsls(project, ['package', ...optionsOf(params), ...forStage]);
      if (code !== 0) throw new Error(output);
      const file = join(project, '.serverless', 'cloudformation-template-update-stack.json');
      return JSON.parse(readFileSync(file, 'utf8'));
    },
    [Symbol.dispose]: dispose,
  };
};

/** What to package: its name, the parameters, the stage. */
export type Order = readonly [name: string, params: Readonly<Record<string, string>>, stage?: string];

/**
 * Packages stacks for their templates, on every processor.
 * @returns the templates by name.
 * @throws {Error} as {@link TemplateWorkshop}.
 */
export const packageTemplates = async (orders: readonly Order[]): Promise<ReadonlyMap<string, Template>> => {
  const templates = new Map<string, Template>();
  const left = [...orders];
  const work = async () => {
    using workshop = openTemplateWorkshop();
    for (let order = left.shift(); order; order = left.shift()) {
      const [name, params, stage] = order;
      templates.set(name, await workshop.templateOf(params, stage));
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), orders.length) }, work));
  return templates;
};

/**
 * Runs `serverless deploy`.
 * @param env where AWS is, and who asks.
 */
export const deployStack = async (
  params: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
): Promise<Ended> => {
  using copy = copyProject(PROJECT);
  return await runOsls(copy.project, ['deploy', ...optionsOf(params)], env);
};
