import '../support/quiet.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { operations as engineOperations } from '../../lib/engines/engine.ts';
import { median, percentile } from '../bench/statistics.ts';
import type { Call } from '../support/aws.ts';
import type { Received } from '../support/http.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { type House, openHouse, PREFIX, type Service } from './house.ts';

/**
 * `npm run sleep [-- --only=churn,crowd --cycles=30]`: services that sleep and are woken, with figures (docs/contract.md
 * 11). Exits with 1 when one of them is not what it should be.
 */
const all = ['churn', 'crowd', 'waiting', 'failing', 'outage', 'awake'];
const { values } = parseArgs({
  options: { only: { type: 'string', default: all.join() }, cycles: { type: 'string', default: '30' } },
});
const problems: string[] = [];
const judge = (isGood: boolean, line: string) => {
  console.log(`  ${isGood ? '' : 'PROBLEM '}${line}`);
  if (!isGood) problems.push(line);
};
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

const chat = operation('chat');
const ask = (house: House, model: string, stream = false) =>
  house.gateway.fetch('/v1/chat/completions', { body: { ...(chat.body(model) as object), stream } });
const isWhole = ({ status, complete, text }: Received, stream: boolean) =>
  status === 200 && complete && (!stream || (text.endsWith('data: [DONE]\n\n') && !text.includes('"error"')));

/** Wakes and sleeps, with requests at random moments. */
const churn = async (cycles: number) => {
  await using house = await openHouse({ names: ['one', 'two', 'three'], env: { GATEWAY_KEEPALIVE_SECONDS: '1' } });
  const waits: number[] = [];
  let requests = 0;
  const failures: string[] = [];
  let isOver = false;
  const request = async ({ model, ecs }: Service, stream: boolean) => {
    const tasks = ecs.started();
    const received = await ask(house, model, stream);
    requests += 1;
    if (!isWhole(received, stream)) failures.push(`${received.status} ${received.text.slice(-200)}`);
    const first = received.chunks.find(({ bytes }) => bytes.includes('data:'));
    if (stream && first && ecs.started() > tasks) waits.push(performance.timeOrigin + first.at - ecs.startedAt());
  };
  const caller = async (service: Service) => {
    while (!isOver) {
      await Promise.all([request(service, true), request(service, false)]);
      // It goes to sleep about ten seconds after the last request: many come in these very seconds.
      await pause(6_000 + Math.random() * 12_000);
    }
  };
  const callers = house.services.map(caller);
  const wakes = () => house.services.reduce((sum, { ecs }) => sum + ecs.started(), 0);
  await until(async () => {
    await pause(500);
    return wakes() >= cycles;
  }, 900_000);
  isOver = true;
  await Promise.all(callers);
  const busy = house.services.reduce((sum, { stoppedBusy }) => sum + stoppedBusy(), 0);
  console.log(`\nchurn: ${wakes()} wakes, ${requests} requests at random moments`);
  judge(failures.length === 0, `failed or cut: ${failures.length} ${failures.slice(0, 3).join(' | ')}`);
  judge(busy === 0, `workers stopped while they worked: ${busy}`);
  judge(
    percentile(waits, 0.95) <= 6_000 && median(waits) <= 3_500,
    `first health to a waiting stream's first token: median ${seconds(median(waits))}, p95 ${seconds(percentile(waits, 0.95))} (${waits.length} streams)`,
  );
};

/** Many requests for one model, over all families. */
const crowd = async () => {
  const families = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad'];
  await using house = await openHouse({
    names: ['one'],
    scale: { min: 0 },
    serves: engineOperations,
    launchMs: 12_000,
    functions: families,
    env: { GATEWAY_KEEPALIVE_SECONDS: '2' },
    environments: 64,
  });
  // On Lambda each environment has a processor of its own to start with; here they share two, and start a few at a time.
  for (const family of families) {
    const url = `${house.gateway.urlOf(family)}/v1/models`;
    await Promise.all(Array.from({ length: 12 }, () => fetch(url).then((response) => response.text())));
  }
  const queue = Array.from({ length: 200 }, (_, n) => n);
  const counts: Record<string, number> = {};
  const wrong: string[] = [];
  const nodes = new Set<string>();
  const lane = async () => {
    for (let n = queue.shift(); n !== undefined; n = queue.shift()) {
      const one = operations[n % operations.length] ?? chat;
      const stream = one.streams === 'sse' && n % 2 === 0;
      const received = await house.gateway.fetch(pathOf(one, 'one'), { body: one.body('one', stream) });
      const node = String(received.headers['x-localai-node'] ?? /: x-localai-node (\S+)/.exec(received.text)?.[1]);
      nodes.add(node);
      const kind = `${received.status}${received.headers['x-localai-node'] ? '' : ' by comment'}`;
      counts[kind] = (counts[kind] ?? 0) + 1;
      if (!received.complete || received.status !== 200)
        wrong.push(`${one.name}: ${received.status} ${received.text.slice(0, 200)}`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, lane));
  const ups = house.aws.ecs.updates.filter(({ desired }) => desired > 0).length;
  const wishes = house.aws.ssm.writes.filter(({ name }) => name.startsWith(`${PREFIX}/runtime/wake/`)).length;
  console.log(`\ncrowd: 200 requests, 64 at a time, over ${families.length} families: ${JSON.stringify(counts)}`);
  judge(ups === 1, `UpdateService up: ${ups}`);
  judge(wrong.length === 0, `lost: ${wrong.length} ${wrong.slice(0, 3).join(' | ')}`);
  judge(wishes <= 3, `wishes written: ${wishes}`);
  judge(nodes.size === 1 && !nodes.has('undefined'), `named: ${[...nodes].join(', ')}`);
};

const isGateways = ({ operation: made, input }: Call) => {
  const names = (input.Names ?? []) as string[];
  if (made !== 'GetParameters') return false;
  return (
    names.some((name) => name.endsWith('/api-keys')) || (names.length === 1 && names[0]?.includes('/wake/') === true)
  );
};

/** A hundred environments that want the same sleeping service within a second, and wait. */
const waiting = async () => {
  await using warm = await startWorker({ name: 'warm', models: ['warm'], workMs: () => 60_000 });
  await using house = await openHouse({
    names: ['one'],
    scale: { min: 0 },
    launchMs: 40_000,
    env: { GATEWAY_CONFIG_TTL_SECONDS: '10', GATEWAY_WAKE_WAIT_SECONDS: '120' },
    environments: 100,
  });
  const { aws, gateway } = house;
  aws.ssm.put(
    `${PREFIX}/services/warm`,
    JSON.stringify({ workers: [{ id: 'warm', url: warm.url, models: ['warm'] }] }),
  );
  await until(async () => {
    await pause(1_000);
    return (await gateway.fetch('/api/nodes')).text.includes('"warm"');
  }, 30_000);
  await Promise.all(Array.from({ length: 100 }, () => ask(house, 'warm')));
  const environments = gateway.environments('openai').length;
  aws.forgetCalls();
  const writes = aws.ssm.writes.length;
  const startedAt = Date.now();
  const replies = await Promise.all(Array.from({ length: 100 }, () => ask(house, 'one')));
  const times = aws.calls.filter(isGateways).map(({ at }) => at);
  const within = times.filter((at) => at < startedAt + 39_000);
  const mostIn = (some: readonly number[]) =>
    Math.max(...some.map((from) => some.filter((at) => at >= from && at < from + 5_000).length)) / 5;
  // All at once also read their configuration, and whether somebody has wished already.
  const most = mostIn(within.filter((at) => at > startedAt + 6_000));
  const wishes = aws.ssm.writes.slice(writes).filter(({ name }) => name.includes('/wake/')).length;
  console.log(`\nwaiting: 100 requests at once in ${environments} environments, for 40 s`);
  judge(
    replies.every(({ status }) => status === 200),
    `answered: ${replies.filter(({ status }) => status === 200).length}`,
  );
  judge(
    most <= 40,
    `reads a second, the most in any 5 s: ${most.toFixed(1)}, with the first seconds ${mostIn(within).toFixed(1)}; ${within.length} in all`,
  );
  judge(wishes <= 3, `wishes written: ${wishes}`);
};

/** Workers that cannot start. */
const failing = async () => {
  console.log('\nfailing: workers that cannot start');
  const never = () => new Promise<never>(() => {});
  const kinds = {
    'cannot be placed': { launch: never, launchMs: 50 },
    'dies three times': { launch: () => Promise.reject(new Error('dead')), launchMs: 300 },
    'is never healthy': { launch: never, launchMs: 50 },
  };
  for (const [kind, how] of Object.entries(kinds)) {
    await using house = await openHouse({ names: ['one'], scale: { min: 0, wakeMinutes: 0.15 }, ...how });
    if (kind === 'cannot be placed') {
      void pause(6_000).then(() =>
        house.aws.ecs.say(
          'gpu',
          'one',
          '(service one) was unable to place a task because no container instance met all of its requirements.',
        ),
      );
    }
    const held = ask(house, 'one', true);
    const startedAt = Date.now();
    const isFailed = await until(async () => (await house.stateOf('one')) === 'failed', 30_000);
    const failedMs = Date.now() - startedAt;
    await held;
    await pause(1_200);
    const askedAt = Date.now();
    const { status, headers, text } = await ask(house, 'one');
    const told = Date.now() - askedAt;
    const isTold =
      status === 503 && headers['retry-after'] === '300' && told < 1_000 && !/place|task|healthy/.test(text);
    judge(
      isFailed && isTold,
      `${kind}: failed after ${seconds(failedMs)}, then ${status} in ${told} ms, count ${house.aws.ecs.desired('gpu', 'one')}`,
    );
  }
};

/** SSM is down while a service wakes. */
const outage = async () => {
  await using house = await openHouse({ names: ['one'], scale: { min: 0 }, launchMs: 6_000 });
  console.log('\noutage: SSM during a wake');
  const faults = [{ kind: 'throttled', perSecond: 1 }, { kind: 'hanging' }, { kind: 'broken' }] as const;
  const [fault] = faults.slice(1);
  const waits = [ask(house, 'one', true), ask(house, 'one')];
  await until(() => house.aws.ecs.desired('gpu', 'one') === 1, 20_000);
  house.aws.fault('ssm', fault);
  await pause(12_000);
  house.aws.fault('ssm', faults[2]);
  await pause(5_000);
  house.aws.fault('ssm', faults[0]);
  await pause(5_000);
  house.aws.fault('ssm', undefined);
  const startedAt = Date.now();
  const replies = await Promise.all(waits);
  judge(
    replies.every(({ status }, n) => status === 200 && isWhole(replies[n] as Received, n === 0)),
    `hanging 12 s, broken 5 s, throttled 5 s: ${replies.map(({ status }) => status).join(', ')}, ${seconds(Date.now() - startedAt)} after it was healed`,
  );
};

/** What a wake costs those who want something else. */
const awake = async () => {
  await using other = await startWorker({ name: 'other', models: ['other'] });
  await using house = await openHouse({
    names: ['one'],
    scale: { min: 0 },
    launchMs: 60_000,
    env: { GATEWAY_CONFIG_TTL_SECONDS: '10' },
  });
  house.aws.ssm.put(
    `${PREFIX}/services/other`,
    JSON.stringify({ workers: [{ id: 'other', url: other.url, models: ['other'] }] }),
  );
  await until(async () => {
    await pause(1_000);
    return (await house.gateway.fetch('/api/nodes')).text.includes('"other"');
  }, 30_000);
  const measure = async () => {
    const times: number[] = [];
    for (let n = 0; n < 400; n += 1) {
      const startedAt = performance.now();
      await ask(house, 'other');
      times.push(performance.now() - startedAt);
    }
    return median(times);
  };
  await measure();
  const before = await measure();
  const wake = ask(house, 'one', true);
  await until(async () => (await house.stateOf('one')) === 'waking', 20_000);
  const meanwhile = await measure();
  await wake;
  const after = await measure();
  console.log('\nawake: requests for another model');
  judge(
    meanwhile - Math.min(before, after) < 2,
    `median before ${before.toFixed(2)} ms, while another wakes ${meanwhile.toFixed(2)} ms, after ${after.toFixed(2)} ms (one processor shared with all of it)`,
  );
};

const isOn = (part: string) => values.only.split(',').includes(part);
if (isOn('churn')) await churn(Number(values.cycles));
if (isOn('crowd')) await crowd();
if (isOn('waiting')) await waiting();
if (isOn('failing')) await failing();
if (isOn('outage')) await outage();
if (isOn('awake')) await awake();
console.log(problems.length === 0 ? '\nall as it should be' : `\n${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
