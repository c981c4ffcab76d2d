import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type RealtimeWorker, startRealtimeWorker } from '../support/realtime-worker.ts';
import { type SleepingService, scheduleRegistrar, startSleepingService } from '../support/sleeping-service.ts';
import { until } from '../support/until.ts';

/** docs/contract.md 11 and 12: realtime sessions with services that sleep, through the container and the registrar. */
const prefix = '/localai-gateway/test';
const idleMs = 1_200;
let aws: Aws;
let gateway: Gateway;
let port: number;
const open: (() => unknown)[] = [];
const workers: RealtimeWorker[] = [];
beforeAll(async () => {
  aws = await startAws();
  // The port that all tasks have is taken once, so that nobody else comes by it.
  const first = await startRealtimeWorker({ host: '127.0.0.200' });
  port = Number(new URL(first.url).port);
  open.push(aws.close, first.close);
});
afterAll(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A service of the model that it is called. */
const startService = (name: string, host: string, launchMs: number): SleepingService => {
  const launch = async () => {
    const worker = await startRealtimeWorker({ host, port, isCounting: true });
    workers.push(worker);
    return { url: worker.url, stop: worker.close };
  };
  const service = startSleepingService({ aws, cluster: 'gpu', service: name, launch, launchMs });
  open.push(() => service[Symbol.asyncDispose]());
  const scale = { min: 0, idleMinutes: idleMs / 60_000 };
  const described = { cluster: 'gpu', service: name, port, engine: 'vllm', models: [name], scale };
  aws.ssm.put(`${prefix}/services/${name}`, JSON.stringify(described));
  return service;
};
const stateOf = async (name: string) => {
  const all = (await gateway.fetch('/api/services')).json() as { name: string; state: string }[];
  return all.find((one) => one.name === name)?.state;
};
const shake = (model: string) => {
  const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/v1/realtime?model=${model}`);
  open.push(() => socket.terminate());
  socket.on('error', () => {});
  return socket;
};
const counts = (name: string) =>
  aws.ecs.updates.filter(({ service }) => service === name).map(({ desired }) => desired);
/** Log lines of sessions with a model. */
const told = (model: string) =>
  gateway.logs.filter((line) => line.includes('"event":"request"') && line.includes(`"${model}"`));

test('a handshake wakes its service and waits, and a session keeps it awake in which nobody says a thing', async () => {
  startService('voice', '127.0.0.31', 300);
  startService('never', '127.0.0.32', 1e9);
  gateway = await startGateway({
    door: 'container',
    env: {
      ...aws.env,
      GATEWAY_SSM_PREFIX: prefix,
      GATEWAY_CONFIG_TTL_SECONDS: '0.5',
      GATEWAY_WAKE_WAIT_SECONDS: '10',
    },
  });
  open.push(gateway.close);
  await gateway.invoke('registrar', { 'detail-type': 'Scheduled Event' });
  open.push(scheduleRegistrar(aws, gateway, 1_000));

  const refused = once(shake('never'), 'unexpected-response');
  const leaving = shake('never');
  const awaited = Promise.all(Array.from({ length: 5 }, () => shake('voice')).map((one) => once(one, 'upgrade')));
  expect(await until(async () => (await stateOf('never')) === 'waking')).toBe(true);
  leaving.terminate();
  expect(await until(() => told('never').some((line) => line.includes('"ending":"client"')), 1_000)).toBe(true);

  const sessions = await awaited;
  const [node] = (await gateway.fetch('/api/nodes')).json() as { id: string }[];
  expect(sessions.map(([{ headers }]) => headers['x-localai-node'])).toEqual(Array(5).fill(node?.id));
  expect(counts('voice')).toEqual([1]);
  // All but one leave.
  for (const { session } of workers[0]?.handshakes.slice(1) ?? []) session?.close();
  const [last] = workers[0]?.handshakes ?? [];
  // Without wishes it drains at the third look at the latest, and while another one wakes looks are two seconds apart.
  await pause(5 * idleMs);
  expect([await stateOf('voice'), counts('voice')]).toEqual(['awake', [1]]);
  last?.session?.close();
  expect(await until(async () => (await stateOf('voice')) === 'asleep', 20_000)).toBe(true);
  expect(counts('voice')).toEqual([1, 0]);

  const [, response] = await refused;
  let text = '';
  for await (const chunk of response) text += chunk;
  expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '30']);
  expect(response.headers['x-localai-node']).toBeUndefined();
  expect(JSON.parse(text)).toMatchObject({
    error: { type: 'model_loading' },
    loading: { model: 'never', state: 'pending' },
  });
}, 60_000);
