import { startAws } from '../support/aws.ts';
import { standInServes, startGateway } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { type Operation, operations, pathOf } from '../support/operations.ts';
import { seeded } from '../support/seeded.ts';
import { startWorker } from '../support/stand-in-worker.ts';
import { redirect, reply } from '../support/worker/behaviours.ts';
import { namingNode } from '../support/worker/misbehaviours.ts';
import type { LoadOptions } from './chaos.ts';
import { faults } from './faults.ts';
import { problemInWaits } from './judge.ts';
import { mistakeWith } from './mistakes.ts';
import { createProblems, inLanes, tally } from './tally.ts';

export interface LeakReport {
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers with a name in them that must not be told, or a wait or page that must not pass; one line a kind. */
  readonly leaks: readonly string[];
}

const model = 'chaos';
const prefix = '/localai-gateway/chaos';
const service = 'inner-service';

/**
 * A fleet from SSM with the node header switched off, every worker at fault more often than not and one try only, so
 * that answers of every status come: searches all of them for node ids, names and addresses of workers.
 */
export const huntLeaks = async ({ requests, atOnce, seed }: LoadOptions): Promise<LeakReport> => {
  const random = seeded(seed);
  const aws = await startAws();
  const workers = await Promise.all(['one', 'two', 'three'].map((name) => startWorker({ name, models: [model] })));
  const ways = [
    ...faults.map(({ behaviour }) => behaviour),
    ...workers.map(({ url }) => redirect(`${url}/elsewhere`)),
    redirect('http://10.1.2.3:8080/inner-node'),
    reply(204),
    reply(304),
    ...namingNode('inner-node', model),
  ];
  for (const worker of workers) {
    worker.behave(({ method }) =>
      method === 'POST' && random() < 0.8 ? ways[Math.floor(random() * ways.length)] : {},
    );
  }
  aws.ssm.put(
    `${prefix}/services/${service}`,
    JSON.stringify({
      workers: workers.map(({ url }, at) => ({ id: `inner-id-${at}`, url })),
      engine: 'localai',
      serves: standInServes,
    }),
  );
  const gateway = await startGateway({
    env: {
      ...aws.env,
      GATEWAY_SSM_PREFIX: prefix,
      LOCALAI_EXPOSE_NODE_HEADER: undefined,
      GATEWAY_MAX_ATTEMPTS: '1',
      GATEWAY_IDLE_TIMEOUT_SECONDS: '0.2',
      GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.2',
      GATEWAY_KEEPALIVE_SECONDS: '0.1',
    },
  });
  try {
    await gateway.invoke('registrar', { source: 'aws.events', 'detail-type': 'Scheduled Event' });
    const nodes = (await gateway.fetch('/api/nodes')).json() as { id: string; name: string; address: string }[];
    if (nodes.length !== workers.length) throw new Error(`the fleet is ${JSON.stringify(nodes)}`);
    const hosts = workers.map(({ url }) => new URL(url).host);
    const names = [...nodes.flatMap(({ id, name, address }) => [id, name, address]), ...hosts];
    const secret = [...new Set([...names, service, 'inner-node', 'inner-id', 'x-localai-node', 'forged', '10.1.2.3'])];
    const leaks = createProblems();
    const statuses: string[] = [];
    const search = (what: string, received: Received) => {
      const said = `${received.rawHeaders.join('\n')}\n${received.text}`.toLowerCase();
      for (const name of secret) {
        if (said.includes(name.toLowerCase()))
          leaks.add(`${name} in a ${received.status}`, `${what}: ${said.slice(-300)}`);
      }
      const waits = problemInWaits(received);
      if (waits) leaks.add(waits, what);
      if (received.status >= 500 && received.headers['content-type']?.startsWith('text/html'))
        leaks.add('a page', what);
      statuses.push(String(received.status));
    };
    await inLanes(requests, atOnce, async () => {
      const one = operations[Math.floor(random() * operations.length)] as Operation;
      if (random() < 0.1) {
        const { path, options } = mistakeWith(one, model, random);
        return search(path, await gateway.fetch(path, options));
      }
      const body = one.body(model, random() < 0.5);
      search(one.name, await gateway.fetch(pathOf(one, model), { body }));
    });
    return { statuses: tally(statuses), leaks: leaks.lines() };
  } finally {
    await gateway.close();
    await Promise.all([aws.close(), ...workers.map((worker) => worker.close())]);
  }
};
