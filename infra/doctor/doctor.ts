import { parseArgs } from 'node:util';
import { cut } from './checks/cut.ts';
import { keys } from './checks/keys.ts';
import { nodeHeader } from './checks/node-header.ts';
import { reach } from './checks/reach.ts';
import { streaming } from './checks/streaming.ts';
import { bad, type Finding } from './finding.ts';
import { type Gateway, listModels } from './gateway.ts';
import { CUT_MODEL, PACED_MODEL, startDoctorWorker } from './worker.ts';

/** `npm run doctor`: looks at a gateway from outside, as its clients do. */
const USAGE = `npm run doctor -- --url <base URL> [--key <key>] [--admin-key <key>] [--model <chat model>]
                 [--ssm-prefix /localai-gateway/dev] [--wait <seconds, default 36>]
npm run doctor -- --serve <port> [--host <address>]     the doctor's own worker, to be put into the fleet`;

const MARKS = { good: 'ok  ', bad: 'BAD ', unknown: '?   ' };

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    key: { type: 'string' },
    'admin-key': { type: 'string' },
    model: { type: 'string' },
    'ssm-prefix': { type: 'string' },
    wait: { type: 'string', default: '36' },
    serve: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
  },
});

const tell = ({ verdict, subject, detail }: Finding) => console.log(`${MARKS[verdict]}${subject}: ${detail}`);

const examine = async (gateway: Gateway): Promise<number> => {
  const findings: Finding[] = [];
  const look = async (name: string, check: () => Promise<Finding[]>) => {
    const found = await check().catch((error: Error) => [bad(name, `${error.message} ${error.cause ?? ''}`.trim())]);
    for (const finding of found) tell(finding);
    findings.push(...found);
  };
  await look('reach', () => reach(gateway));
  if (findings.some(({ subject, verdict }) => verdict === 'bad' && subject === 'reach')) return 1;
  await look('keys', () => keys(gateway));
  const models = await listModels(gateway).catch((): string[] => []);
  const chatModel =
    values.model ?? (models.includes(PACED_MODEL) ? PACED_MODEL : models.find((id) => id !== CUT_MODEL));
  await look('streaming', () => streaming(gateway, models, values.model));
  await look('cut', () => cut(gateway, models));
  await look('header', () =>
    nodeHeader(gateway, chatModel, { ssmPrefix: values['ssm-prefix'], waitMs: Number(values.wait) * 1000 }),
  );
  const count = (verdict: Finding['verdict']) => findings.filter((finding) => finding.verdict === verdict).length;
  console.log(`${count('good')} good, ${count('bad')} bad, ${count('unknown')} not known`);
  return count('bad') > 0 ? 1 : 0;
};

if (values.serve !== undefined) {
  const server = await startDoctorWorker(Number(values.serve), values.host);
  const address = server.address() as { port: number };
  console.log(`The doctor's worker serves ${PACED_MODEL} and ${CUT_MODEL} on http://${values.host}:${address.port}`);
} else if (values.url) {
  const url = values.url.replace(/\/+$/, '');
  process.exitCode = await examine({ url, key: values.key, adminKey: values['admin-key'] });
} else {
  console.error(USAGE);
  process.exitCode = 2;
}
