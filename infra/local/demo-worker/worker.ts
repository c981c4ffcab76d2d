import type { AddressInfo } from 'node:net';
import { createEngines } from './engines/index.ts';
import { createDemoServer } from './server.ts';

/** One demo worker as a process of its own; tells its parent the URL, and ends when the parent does. */
const [id = 'demo-worker', host = '127.0.0.1', port = '0'] = process.argv.slice(2);

const engines = createEngines({ gguf: process.env.DEMO_GGUF });
const server = createDemoServer({ id, engines });

server.listen(Number(port), host, () => {
  const { port } = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  // Who started it may be gone by now; then the closing channel ends this process.
  if (process.send) process.send({ url, missing: engines.missing }, () => undefined);
  else console.log(`${id} serves ${engines.models.join(', ')} on ${url}`);
  engines.warm();
});

process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
if (process.send) process.on('SIGINT', () => {});
