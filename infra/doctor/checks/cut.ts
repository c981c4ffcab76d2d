import { bad, type Finding, good, unknown } from '../finding.ts';
import { ask, type Gateway } from '../gateway.ts';
import { CUT_MODEL } from '../worker.ts';

const messages = [{ role: 'user', content: 'Begin.' }];

/** What must stand at the end of a stream whose worker went away. */
const endings: Readonly<Record<string, RegExp>> = {
  '/v1/chat/completions': /data: \{"error":\{.*\}\}\n\ndata: \[DONE\]\n\n$/,
  '/v1/messages': /event: error\ndata: \{"type":"error".*\}\n\n$/,
  '/api/chat': /\n\{"error":".+"\}\n$/,
};

/** Whether a worker that breaks off in the middle is told to the client, in each dialect. */
export const cut = async (gateway: Gateway, models: readonly string[]): Promise<Finding[]> => {
  if (!models.includes(CUT_MODEL)) {
    return [unknown('a cut is visible', 'needs the doctor\u2019s own worker in the fleet (DEPLOY.md, "doctor")')];
  }
  const findings: Finding[] = [];
  for (const [path, ending] of Object.entries(endings)) {
    const body = { model: CUT_MODEL, stream: true, max_tokens: 16, messages };
    const { status, text } = await ask(gateway, path, { body });
    const subject = `a cut is visible on ${path}`;
    if (status !== 200 || !/content|delta/.test(text)) findings.push(bad(subject, `${status} ${text.slice(0, 120)}`));
    else if (ending.test(text))
      findings.push(good(subject, text.trimEnd().split('\n').slice(-3).join(' ').slice(0, 140)));
    else findings.push(bad(subject, `the stream just ends: ${text.slice(-120)}`));
  }
  return findings;
};
