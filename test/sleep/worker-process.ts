import { startWorker } from '../support/stand-in-worker.ts';

/** A worker as a process of its own, as an ECS task is one: `<host> <port> <model>`; told `stop`, it ends what it has begun. */
const [host = '127.0.0.1', port = '0', model = 'model'] = process.argv.slice(2);
const worker = await startWorker({
  name: `${model}-${process.pid}`,
  host,
  port: Number(port),
  engine: 'vllm',
  models: [model],
  workMs: () => 20 + Math.random() * 400,
});
/** By its own counters, as the registrar reads them. */
const running = async () => {
  const text = await (await fetch(`${worker.url}/metrics`)).text();
  return Number(/vllm:num_requests_running\S* (\S+)/.exec(text)?.[1] ?? 0);
};
process.on('message', async () => {
  process.send?.({ busy: await running() });
  while ((await running()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await worker.close();
  process.exit(0);
});
process.send?.({ url: worker.url });
