import { bad, type Finding, good, unknown } from '../finding.ts';
import { type Answer, ask, type Gateway } from '../gateway.ts';
import { PACED_MODEL, PIECES } from '../worker.ts';

/** What the network may add to the distance between two pieces. */
const TOLERANCE_MS = 150;
/** Models tried until one can chat. */
const TRIES = 5;
const EXAMPLE = 'put the doctor\u2019s own worker into the fleet to measure it (DEPLOY.md, "doctor")';

const chat = (gateway: Gateway, model: string) => {
  const messages = [{ role: 'user', content: 'Count slowly from one to thirty, in words.' }];
  return ask(gateway, '/v1/chat/completions', { body: { model, messages, stream: true, max_tokens: 96 } });
};

const isStream = ({ status, headers }: Answer) =>
  status === 200 && (headers.get('content-type') ?? '').startsWith('text/event-stream');

/** Each piece says when it was sent: how much later than the first one, compared with when it came. */
const paced = ({ arrivals, text }: Answer): Finding => {
  const lags: number[] = [];
  for (const { at, text: piece } of arrivals) {
    for (const [, sent] of piece.matchAll(/"content":"(\d+);"/g)) lags.push(at - Number(sent));
  }
  const subject = 'bytes come spaced as they are sent';
  if (lags.length !== PIECES || !text.includes('data: [DONE]')) {
    return bad(subject, `${lags.length} of ${PIECES} pieces came whole`);
  }
  const worst = Math.max(...lags) - Math.min(...lags);
  const detail = `${PIECES} pieces of about 60 bytes in ${arrivals.length} arrivals, at most ${Math.round(worst)} ms off their pace`;
  return worst <= TOLERANCE_MS ? good(subject, detail) : bad(subject, `${detail}: something collects them`);
};

/** A real model has no known pace: it streams when its events come in many arrivals, spread over its whole time. */
const spread = (model: string, { arrivals, text }: Answer): Finding => {
  const subject = `a stream of ${model}`;
  const events = text.split('\n\n').filter((event) => event.includes('"delta"')).length;
  const first = arrivals[0]?.at ?? 0;
  const span = (arrivals.at(-1)?.at ?? 0) - first;
  const detail = `${events} events in ${arrivals.length} arrivals over ${Math.round(span)} ms`;
  if (!text.includes('data: [DONE]')) return bad(subject, `${detail}, and no [DONE]`);
  if (span < 200 || events < 4) return unknown(subject, `${detail}: too quick to tell; ${EXAMPLE}`);
  return arrivals.length >= events / 4 ? good(subject, detail) : bad(subject, `${detail}: something collects them`);
};

/** Whether chunks pass as they are made, small ones too. */
export const streaming = async (gateway: Gateway, models: readonly string[], wanted?: string): Promise<Finding[]> => {
  if (!wanted && models.includes(PACED_MODEL)) return [paced(await chat(gateway, PACED_MODEL))];
  const candidates = wanted ? [wanted] : models.slice(0, TRIES);
  for (const model of candidates) {
    const answer = await chat(gateway, model);
    if (isStream(answer)) return [spread(model, answer)];
  }
  return [
    unknown(
      'streaming',
      `none of ${candidates.join(', ') || 'no models'} can chat: name one with --model, or ${EXAMPLE}`,
    ),
  ];
};
