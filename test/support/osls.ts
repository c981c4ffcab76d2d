import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Resource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly DependsOn?: string | readonly string[];
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

/**
 * Runs `serverless package` as an operator does, with no credentials and no network.
 * @param params `--param` names and values.
 * @throws {Error} with what it printed, when it fails.
 */
export const packageStack = async (params: Readonly<Record<string, string>> = {}): Promise<Package> => {
  const folder = mkdtempSync(join(tmpdir(), 'stack-'));
  const osls = createRequire(import.meta.url).resolve('osls/package.json');
  const options = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
  await promisify(execFile)(
    process.execPath,
    [join(dirname(osls), 'bin/serverless.js'), 'package', '--package', folder, ...options],
    {
      cwd: root,
      // Nothing of this machine: no region, no profile, no credentials, and no home to find some in.
      env: { PATH: process.env.PATH, HOME: folder, SLS_TELEMETRY_DISABLED: '1', NODE_NO_WARNINGS: '1' },
    },
  );
  const template = JSON.parse(readFileSync(join(folder, 'cloudformation-template-update-stack.json'), 'utf8'));
  return { folder, template, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
};
