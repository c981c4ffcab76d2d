import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist', 'server', 'index.cjs');

/** The container door as a process of its own, as its image runs it. */
export interface Container extends AsyncDisposable {
  readonly origin: string;
  readonly child: ChildProcess;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  /** Ends it at once. */
  readonly close: () => Promise<void>;
}

export interface ContainerOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Told every line it prints. */
  readonly onLog?: (line: string) => void;
  /** Default: what `npm run build` left. */
  readonly command?: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
}

/** @throws {Error} with what it printed, when it ended in place of listening. */
export const startContainer = async (options: ContainerOptions): Promise<Container> => {
  const { env, onLog, command: [file = process.execPath, ...args] = [process.execPath, program], cwd, uid } = options;
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH ?? '', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  const close = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const printed: string[] = [];
  const listening = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      printed.push(line);
      onLog?.(line);
      const { event, port } = line.startsWith('{"time"') ? JSON.parse(line) : {};
      if (event === 'listening') listening.resolve(`http://127.0.0.1:${port}`);
    });
  }
  const ended = exited.then((code) => Promise.reject(new Error(`ended with ${code}: ${printed.join('\n')}`)));
  const origin = await Promise.race([listening.promise, ended]);
  ended.catch(() => undefined);
  return { origin, child, exited, close, [Symbol.asyncDispose]: close };
};
