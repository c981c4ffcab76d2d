import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../../support/gateway.ts';
import { createScratch, type Outcome, type Scratch } from '../scratch.ts';
import { type Fault, startScriptedWorker } from './scripted-worker.ts';

/**
 * `npm run agents [-- name ...]`: coding agents from npm, through the functions, against a worker that has them write a
 * file and read it again. Each once as it should be, once with a stream cut in its middle, once with 15 s of silence
 * before and inside of an answer, and once with a wrong key, of which it has to tell soon and clearly; then all but the
 * last against a worker that knows OpenAI's chat completions only (docs/contract.md 13).
 */
const KEY = 'the-right-key';
const TASK = 'Write made.txt and read it again.';

interface Agent {
  readonly name: string;
  readonly packages: readonly string[];
  readonly run: (scratch: Scratch, origin: string, key: string) => Promise<Outcome>;
}

const agents: readonly Agent[] = [
  {
    name: 'claude-code',
    packages: ['@anthropic-ai/claude-code'],
    run: (scratch, origin, key) =>
      scratch.run(
        'claude',
        ['-p', '--allowedTools', 'Write,Read,Bash', '--permission-mode', 'acceptEdits', '--', TASK],
        {
          ANTHROPIC_BASE_URL: origin,
          ANTHROPIC_AUTH_TOKEN: key,
          ANTHROPIC_MODEL: 'scripted',
          ANTHROPIC_SMALL_FAST_MODEL: 'scripted',
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        },
      ),
  },
  {
    name: 'codex',
    packages: ['@openai/codex'],
    run: (scratch, origin, key) => {
      const provider = `{name="LocalAI",base_url="${origin}/v1",wire_api="responses",env_key="GATEWAY_KEY"}`;
      const config = ['-c', 'model_provider=localai', '-c', `model_providers.localai=${provider}`];
      const flags = ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', '-m', 'scripted'];
      return scratch.run('codex', [...flags, ...config, TASK], { GATEWAY_KEY: key });
    },
  },
  {
    name: 'opencode',
    packages: ['opencode-ai'],
    run: async (scratch, origin, key) => {
      const provider = {
        npm: '@ai-sdk/openai-compatible',
        name: 'LocalAI',
        options: { baseURL: `${origin}/v1`, apiKey: key },
        models: { scripted: { name: 'scripted', tool_call: true } },
      };
      const config = { model: 'localai/scripted', permission: { '*': 'allow' }, provider: { localai: provider } };
      await writeFile(join(scratch.folder, 'opencode.json'), JSON.stringify(config));
      return scratch.run('opencode', ['run', TASK]);
    },
  },
];

/** A wrong key should be told at once; some agents start slowly. */
const SOON_SECONDS = 45;

const wanted = process.argv.slice(2);
const base = await mkdtemp(join(tmpdir(), 'agents-'));
let failures = 0;
const tell = (agent: string, what: string, isFine: boolean, { code, seconds, all }: Outcome) => {
  if (!isFine) failures += 1;
  console.log(`${isFine ? 'works ' : 'FAILED'}  ${agent}: ${what} (${seconds} s, exit ${code})`);
  if (!isFine || what === 'a wrong key') console.log(all.trim().slice(-600).replaceAll(/^/gm, '    | '));
};
try {
  for (const { name, packages, run } of agents.filter((one) => wanted.length === 0 || wanted.includes(one.name))) {
    const scratch = await createScratch(join(base, name));
    const installed = await scratch.install(packages);
    if (installed.code !== 0) {
      tell(name, 'npm install', false, installed);
      continue;
    }
    await using worker = await startScriptedWorker(scratch.folder);
    const made = join(scratch.folder, 'made.txt');
    const serve = (engine: string) =>
      startGateway({
        workers: [{ id: 'scripted', url: worker.url, models: ['scripted'], engine }],
        env: { LOCALAI_API_KEY: KEY, GATEWAY_ALLOW_ANONYMOUS: undefined, GATEWAY_KEEPALIVE_SECONDS: '3' },
      });
    const workThrough = async (gateway: Gateway, where: string) => {
      for (const fault of ['none', 'cut', 'silence'] satisfies Fault[]) {
        await rm(made, { force: true });
        worker.fault = fault;
        const before = worker.turns();
        const outcome = await run(scratch, gateway.origin, KEY);
        const text = await readFile(made, 'utf8').catch(() => '');
        const isFine = outcome.code === 0 && text === 'made by a tool\n' && worker.turns() - before >= 2;
        tell(name, (fault === 'none' ? 'a task with two tools' : `the same with a ${fault}`) + where, isFine, outcome);
      }
    };
    worker.speaksChatOnly = true;
    await using translating = await serve('openai');
    await workThrough(translating, ', on a worker with chat completions only');
    worker.speaksChatOnly = false;
    await using gateway = await serve('localai');
    await workThrough(gateway, '');
    const before = worker.turns();
    const refused = await run(scratch, gateway.origin, 'a-wrong-key');
    const isClear = /API key is not valid|invalid.{0,20}api.?key|authenticat|401/i.test(refused.all);
    tell(name, 'a wrong key', isClear && refused.seconds <= SOON_SECONDS && worker.turns() === before, refused);
  }
} finally {
  await rm(base, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
