import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChatWorker } from '../../support/chat-worker.ts';
import { startGateway } from '../../support/gateway.ts';
import { cut, paced, reply } from '../../support/worker/behaviours.ts';
import { pngOf } from '../../support/worker/media.ts';
import { createScratch } from '../scratch.ts';

/**
 * `npm run translated [-- package ...]`: clients from npm in a scratch folder, through the functions, against a worker
 * that speaks OpenAI's chat completions and nothing else, once as vLLM writes them and once as llama.cpp does
 * (docs/contract.md 13). By hand: they are many packages. `npm test` has the official SDKs.
 */
const KEY = 'sk-test';
const suites = [
  {
    script: 'ai-sdk.js',
    packages: ['ai@7', 'zod@4'],
    clients: {
      '@ai-sdk/openai': '@4',
      '@ai-sdk/anthropic': '@4',
      'ollama-ai-provider-v2': '@4',
      'ai-sdk-ollama': '@4',
    },
  },
  {
    script: 'langchain.js',
    packages: ['@langchain/core@1'],
    clients: { '@langchain/openai': '@1', '@langchain/anthropic': '@1', '@langchain/ollama': '@1' },
  },
];

/** Its abort ends what it shows, and not its request, wherever that goes. */
const DEAF = 'ai-sdk-ollama';

const wanted = process.argv.slice(2);
const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
const base = await mkdtemp(join(tmpdir(), 'translated-'));
let failures = 0;
const tell = (what: string, code: number | null, said: string) => {
  if (code !== 0) failures += 1;
  console.log(`${code === 0 ? 'works ' : 'FAILED'}  ${what}\n${said.trimEnd()}`);
};

try {
  for (const { script, packages, clients } of suites) {
    const names = Object.keys(clients).filter(isWanted);
    if (names.length === 0) continue;
    const scratch = await createScratch(join(base, script));
    const chosen = Object.entries(clients).filter(([name]) => names.includes(name));
    const installed = await scratch.install([...packages, ...chosen.map(([name, version]) => name + version)]);
    if (installed.code !== 0) {
      tell(`npm install for ${script}`, installed.code, installed.all);
      continue;
    }
    for (const file of [script, 'checks.js'])
      await copyFile(new URL(file, import.meta.url), join(scratch.folder, file));
    for (const name of names) {
      for (const accent of ['vllm', 'llamacpp'] as const) {
        await using worker = await startChatWorker({ name: 'alpha', models: ['test-model'], accent });
        worker.treat((fields) => {
          const asked = JSON.stringify(fields.messages);
          if (asked.includes('"fail"')) return reply(422, { error: { message: 'own words', type: 'x', code: 422 } });
          if (asked.includes('"wait"')) return paced(500);
          return asked.includes('"break"') ? cut({ after: 3 }) : paced(20);
        });
        await using gateway = await startGateway({
          workers: [{ id: 'node-alpha', url: worker.url, models: ['test-model'], engine: 'openai' }],
          env: { LOCALAI_API_KEY: KEY, GATEWAY_ALLOW_ANONYMOUS: undefined },
        });
        const PICTURE = pngOf('alpha').toString('base64');
        const SAID = 'Grüße from alpha 🦙 — done.';
        const env = { ORIGIN: gateway.origin, KEY, PICTURE, SAID };
        const { code, all } = await scratch.run(process.execPath, [script, name], env);
        const waiting = worker.requests.find(({ body }) => body.toString().includes('"wait"'));
        const isLeft = (await waiting?.completed) === false;
        const others = worker.requests.filter(({ path }) => path !== '/v1/chat/completions');
        tell(`${name} on chat completions like ${accent}'s`, code, all);
        if (others.length > 0) tell('only what it speaks is asked', 1, others.map(({ path }) => path).join(' '));
        if (!isLeft && name !== DEAF) tell('an abort reaches the worker', 1, '');
      }
    }
  }
} finally {
  await rm(base, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
