import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../infra/local/free-port.ts';

const PORTKEY = '1.15.2';
/** With the web server that npm resolves for it today, 1.19.19, it answers 500 to every event stream. */
const PORTKEY_SERVER = '1.14.1';

/** Another proxy in front of the same worker. */
export interface Peer {
  readonly name: string;
  readonly url: string;
  /** What the proxy must be told. */
  readonly headers: Readonly<Record<string, string>>;
  pids(): readonly number[];
  close(): void;
}

const scratch = join(tmpdir(), 'localai-gateway-bench');

/** @throws {Error} when nothing answers within ten seconds. */
const answering = async (url: string): Promise<void> => {
  for (const end = Date.now() + 10_000; ; ) {
    try {
      await fetch(url, { signal: AbortSignal.timeout(1000) });
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
};

const close = (child: ChildProcess) => () => void child.kill('SIGTERM');

/** Debian's nginx as a plain streaming proxy. @returns undefined where it is not installed. */
export const startNginx = async (worker: string): Promise<Peer | undefined> => {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const program = folders.map((folder) => join(folder, 'nginx')).find((file) => existsSync(file));
  if (!program) return undefined;
  const port = await freePort();
  const folder = join(scratch, 'nginx');
  await mkdir(folder, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder};`);
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off; ${temporary.join(' ')} client_max_body_size 16m; client_body_buffer_size 8m; keepalive_requests 1000000;
  upstream worker { server ${new URL(worker).host}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://worker; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`,
  );
  const child = spawn(program, ['-p', folder, '-c', 'nginx.conf'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await answering(`${url}/health`);
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(child.pid)]);
  const pids = [child.pid ?? 0, ...stdout.trim().split(/\s+/).map(Number)];
  return { name: 'nginx', url, headers: {}, pids: () => pids, close: close(child) };
};

/** Fetched once, into a scratch folder outside the project. @throws {Error} when the registry is out of reach. */
const fetchPortkey = async (): Promise<string> => {
  const folder = join(scratch, `portkey-${PORTKEY}`);
  const entry = join(folder, 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js');
  if (existsSync(entry)) return entry;
  await mkdir(folder, { recursive: true });
  const manifest = {
    private: true,
    dependencies: { '@portkey-ai/gateway': PORTKEY },
    overrides: { '@hono/node-server': PORTKEY_SERVER },
  };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
  await promisify(execFile)('npm', args, { cwd: folder, timeout: 120_000 });
  return entry;
};

/** Portkey's gateway, the peer on Node: its plain server, with no Lambda in between. @throws {Error} */
export const startPortkey = async (worker: string): Promise<Peer> => {
  const entry = await fetchPortkey();
  const port = await freePort();
  // It would listen on every interface.
  const loopback =
    'data:text/javascript,import net from "node:net"; const { listen } = net.Server.prototype; net.Server.prototype.listen = function (port, ...rest) { return listen.call(this, typeof port === "object" ? { ...port, host: "127.0.0.1" } : { port, host: "127.0.0.1" }, ...rest.filter((one) => typeof one === "function")); };';
  const args = ['--import', loopback, entry, `--port=${port}`, '--headless'];
  // What it says on its output is a stack for every body that is not JSON.
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await answering(url);
  return {
    name: 'portkey',
    url,
    headers: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${worker}/v1` },
    pids: () => [child.pid ?? 0],
    close: close(child),
  };
};
