import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { bad, type Finding, good, unknown } from '../finding.ts';
import { ask, type Gateway } from '../gateway.ts';

const HEADER = 'x-localai-node';
const messages = [{ role: 'user', content: 'Hello.' }];

/** Whether a reply that a worker made carries the header. */
const isOn = async (gateway: Gateway, model: string): Promise<boolean> => {
  const body = { model, messages, max_tokens: 1 };
  return (await ask(gateway, '/v1/chat/completions', { body })).headers.has(HEADER);
};

export interface SwitchOptions {
  /** The stack's `GATEWAY_SSM_PREFIX`: the switch is really turned, and turned back. */
  readonly ssmPrefix?: string | undefined;
  /** How long a change may take: three times `GATEWAY_CONFIG_TTL_SECONDS`. */
  readonly waitMs: number;
}

const until = async (holds: () => Promise<boolean>, ms: number): Promise<number | undefined> => {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > ms) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return performance.now() - startedAt;
};

const follow = async (gateway: Gateway, model: string, prefix: string, waitMs: number): Promise<Finding[]> => {
  const ssm = new SSMClient({});
  const Name = `${prefix}/runtime/expose-node-header`;
  const before = await ssm
    .send(new GetParameterCommand({ Name }))
    .then(({ Parameter }) => Parameter?.Value ?? 'false')
    .catch((error: Error) => {
      if (error.name === 'ParameterNotFound') return 'false';
      throw error;
    });
  const put = (Value: string) => ssm.send(new PutParameterCommand({ Name, Value, Type: 'String', Overwrite: true }));
  const findings: Finding[] = [];
  try {
    for (const value of [before === 'true' ? 'false' : 'true', before === 'true' ? 'true' : 'false']) {
      await put(value);
      const took = await until(async () => (await isOn(gateway, model)) === (value === 'true'), waitMs);
      const subject = `header follows ${Name} = ${value}`;
      findings.push(
        took === undefined
          ? bad(subject, `not within ${waitMs / 1000} s`)
          : good(subject, `after ${(took / 1000).toFixed(1)} s`),
      );
    }
  } finally {
    await put(before);
  }
  return findings;
};

/** Whether `X-LocalAI-Node` is there when, and only when, it is switched on. */
export const nodeHeader = async (
  gateway: Gateway,
  model: string | undefined,
  { ssmPrefix, waitMs }: SwitchOptions,
): Promise<Finding[]> => {
  const list = await ask(gateway, '/v1/models');
  const findings = list.headers.has(HEADER)
    ? [bad('header', 'GET /v1/models has it, though no worker answers it')]
    : [];
  if (!model) return [...findings, unknown('header', 'no model to ask')];
  if (ssmPrefix) return [...findings, ...(await follow(gateway, model, ssmPrefix, waitMs))];
  const seen = new Set([await isOn(gateway, model), await isOn(gateway, model), await isOn(gateway, model)]);
  if (seen.size > 1) return [...findings, bad('header', 'sometimes there, sometimes not')];
  const state = seen.has(true) ? 'on' : 'off';
  return [...findings, good('header', `${state} on every reply; with --ssm-prefix its switch is tried too`)];
};
