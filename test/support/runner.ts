import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Runner extends AsyncDisposable {
  readonly child: ChildProcess;
  /** All it printed so far, stdout and stderr. */
  readonly output: () => string;
  /** Waits until it printed `text`. @throws {Error} with what it printed instead. */
  readonly printed: (text: string, milliseconds?: number) => Promise<void>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  /** Whether a process of its process group is left. */
  readonly leftBehind: () => boolean;
}

/** Runs a script of the project as leader of a process group of its own. Only PATH and `env` reach it. */
export const startRunner = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Runner => {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH, HOME, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  const leftBehind = () => {
    try {
      return process.kill(-(child.pid ?? 0), 0);
    } catch {
      return false;
    }
  };
  return {
    child,
    output: () => output,
    async printed(text, milliseconds = 30_000) {
      const done = () => output.includes(text) || child.exitCode !== null;
      await until(done, milliseconds);
      if (!output.includes(text)) throw new Error(`not printed: ${text}\n${output}`);
    },
    exited,
    leftBehind,
    async [Symbol.asyncDispose]() {
      if (leftBehind()) process.kill(-(child.pid ?? 0), 'SIGKILL');
      await exited;
    },
  };
};
