import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** What a program printed, and how it ended; `null`: it was ended for taking too long. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  /** stdout and stderr as they came. */
  readonly all: string;
  readonly seconds: number;
}

/** A folder of its own for a client from npm, with a home of its own. */
export interface Scratch {
  readonly folder: string;
  /** Installs packages there. */
  install(packages: readonly string[]): Promise<Outcome>;
  run(command: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>;
}

const start = (command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, limitMs: number) =>
  new Promise<Outcome>((resolve) => {
    const since = Date.now();
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      all += text;
    });
    child.once('close', (code) => resolve({ code, stdout, all, seconds: Math.round((Date.now() - since) / 1000) }));
  });

/** @param limitMs milliseconds a program may take. */
export const createScratch = async (folder: string, limitMs = 180_000): Promise<Scratch> => {
  const home = join(folder, 'home');
  await mkdir(home, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const PATH = `${join(folder, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`;
  return {
    folder,
    install: (packages) => {
      const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
      return start('npm', ['install', ...flags, ...packages], folder, { ...process.env, PATH }, limitMs);
    },
    run: (command, args, env = {}) => start(command, args, folder, { PATH, HOME: home, ...env }, limitMs),
  };
};
