import '../support/quiet.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildServer } from '../../infra/build.js';
import { hogs } from './hogs.ts';
import { type House, type Report, resident, startHouse } from './house.ts';
import { idleConnections } from './idle-connections.ts';
import { slowReaders } from './slow-readers.ts';
import { slowBodies, slowHeads } from './slowloris.ts';

/**
 * `npm run hostile [-- --connections=10000 --slow=1000 --only=idle,heads]`: crowds of clients that misbehave, each kind at a
 * container of its own, and how others fare beside them. Worker and clients share one process here. Exits with 1 when
 * anything came out that should not have been.
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    slow: { type: 'string', default: '1000' },
    only: { type: 'string', default: 'quiet,idle,readers,heads,bodies,hogs' },
  },
});
const connections = Number(values.connections);
const slow = Number(values.slow);
const stallMs = 5000;
const requestMs = 40_000;
const roomBytes = 50_000_000;

const quiet = async (house: House): Promise<Report> => {
  const before = house.residentMB();
  const { others } = await house.beside(() => pause(30_000));
  return { title: 'nobody beside them, half a minute', lines: [resident(before, others), others.line], problems: [] };
};

const kinds: Readonly<
  Record<string, { env?: Readonly<Record<string, string>>; run: (house: House) => Promise<Report> }>
> = {
  quiet: { run: quiet },
  idle: { run: (house) => idleConnections(house, { count: connections, heldMs: 10_000 }) },
  readers: {
    env: { GATEWAY_IDLE_TIMEOUT_SECONDS: String(stallMs / 1000) },
    run: (house) => slowReaders(house, { slow: 50, never: 50, stallMs, heldMs: 15_000 }),
  },
  heads: { run: (house) => slowHeads(house, slow) },
  bodies: {
    env: { GATEWAY_REQUEST_SECONDS: String(requestMs / 1000) },
    run: (house) => slowBodies(house, { count: slow, requestMs }),
  },
  hogs: { env: { GATEWAY_BUFFERED_BYTES: String(roomBytes) }, run: (house) => hogs(house, roomBytes) },
};

await buildServer();
let problems = 0;
for (const name of values.only.split(',')) {
  const kind = kinds[name];
  if (!kind) throw new Error(`${name} is none of ${Object.keys(kinds).join(', ')}`);
  await using house = await startHouse(kind.env);
  const report = await kind.run(house);
  problems += report.problems.length;
  console.log(
    [`\n${report.title}`, ...report.lines, ...report.problems.map((problem) => `PROBLEM ${problem}`)].join('\n  '),
  );
}
console.log(problems === 0 ? '\nno problems' : `\n${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
