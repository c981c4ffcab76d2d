import { bad, type Finding, good, unknown } from '../finding.ts';
import { ask, type Gateway } from '../gateway.ts';

const MODEL = 'doctor-no-such-model';
const messages = [{ role: 'user', content: 'Are you there?' }];

/** One endpoint of every function, asked for a model that nobody has: the gateway answers, no worker has to. */
const families: Readonly<Record<string, readonly [path: string, body?: object]>> = {
  openai: ['/v1/chat/completions', { model: MODEL, messages }],
  anthropic: ['/v1/messages', { model: MODEL, max_tokens: 1, messages }],
  ollama: ['/api/chat', { model: MODEL, messages }],
  audio: ['/v1/audio/speech', { model: MODEL, input: 'Are you there?' }],
  images: ['/v1/images/generations', { model: MODEL, prompt: 'a door' }],
  rerank: ['/v1/rerank', { model: MODEL, query: 'door', documents: ['a door'] }],
  vad: ['/v1/vad', { model: MODEL, audio: [] }],
  nodes: ['/api/nodes'],
};

/** Whether the process lives, has a configuration, and every function is behind the one address. */
export const reach = async (gateway: Gateway): Promise<Finding[]> => {
  const findings: Finding[] = [];
  for (const path of ['/healthz', '/readyz']) {
    const { status, text, headers } = await ask(gateway, path, { key: null });
    if (status !== 200) findings.push(bad(path, `${status} ${text.slice(0, 200)}`));
    else if (!headers.get('x-correlation-id')) findings.push(bad(path, 'no X-Correlation-Id: is this the gateway?'));
    else findings.push(good(path, '200'));
  }
  for (const [family, [path, body]] of Object.entries(families)) {
    const key = family === 'nodes' ? (gateway.adminKey ?? null) : undefined;
    const id = `doctor-${family}`;
    const answer = await ask(gateway, path, { ...(body && { body }), key, headers: { 'x-correlation-id': id } });
    const { status, headers, text } = answer;
    const subject = `function ${family}`;
    if (headers.get('x-correlation-id') !== id)
      findings.push(bad(subject, `${status}, not from the gateway: ${text.slice(0, 120)}`));
    else if (/"code":\s*"not_found"/.test(text))
      findings.push(bad(subject, `${path} leads to another function: ${text.slice(0, 160)}`));
    else if (status === 401 && family === 'nodes')
      findings.push(unknown(subject, 'reachable; its list needs --admin-key'));
    else if (status === 401) findings.push(bad(subject, '401: give a key with --key'));
    else if (status === 403 || status >= 500) findings.push(bad(subject, `${status} ${text.slice(0, 160)}`));
    else
      findings.push(
        good(
          subject,
          family === 'nodes'
            ? `${(JSON.parse(text) as unknown[]).length} workers`
            : `${status}, as it should for a model nobody has`,
        ),
      );
  }
  return findings;
};
