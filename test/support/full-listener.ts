import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A port that takes no more connections: the next one waits for an answer that does not come, as behind a firewall. */
export interface FullListener extends AsyncDisposable {
  readonly url: string;
}

const script = `
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
`;

/** Starts a process that listens, stops it, and fills what the kernel would still take for it (Linux). */
export const startFullListener = async (): Promise<FullListener> => {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const sockets: Socket[] = [];
  for (let isFull = false; !isFull; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    const opened = once(socket, 'connect').then(() => false);
    // A handshake on the loopback takes microseconds; the kernel's first repetition of one that is dropped, a second.
    isFull = await Promise.race([opened, new Promise<true>((resolve) => setTimeout(resolve, 250, true))]);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      child.kill('SIGKILL');
      await exited;
    },
  };
};
