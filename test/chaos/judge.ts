import { type Ending, endingOf } from '../support/endings.ts';
import { nodeIdOf } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { problemOf } from '../support/in-dialect.ts';
import type { Operation } from '../support/operations.ts';
import type { Fault } from './faults.ts';
import type { Meeting } from './weather.ts';

/** A reply, and what its request met on its way. */
export interface Case {
  readonly one: Operation;
  readonly received: Received;
  readonly met: readonly Meeting[];
  /** Workers that were away for a part of the time: connections break, and then are refused, which nobody meets. */
  readonly away: ReadonlySet<Meeting['worker']>;
}

/** Whose answer it is, as the answer itself says. */
const standInOf = ({ headers }: Received): string | undefined => headers['x-stand-in'] as string | undefined;

/** How an answer of a worker that did this may end. */
const allowedEndings = ({ streams }: Operation, isFramed: boolean, fault: Fault | undefined): readonly Ending[] => {
  if (fault?.kind === 'silent') return streams === 'sse' ? ['error'] : [];
  if (fault?.kind !== 'breaks') return ['whole'];
  if (isFramed) return ['error'];
  // Bytes and JSON have no marker: a clean end is an end.
  return fault.name.startsWith('an end') ? ['whole'] : ['broken'];
};

/** After it one other worker at most is asked (docs/contract.md 5). */
const isLast = ({ fault }: Meeting): boolean => fault?.isLast === true || fault?.kind === 'silent';

/** The same, as far as can be told from here: an answer may have broken before its first event, a worker have left in its middle. */
const mayBeLast = (meeting: Meeting, away: Case['away']): boolean =>
  isLast(meeting) || meeting.fault?.kind === 'breaks' || away.has(meeting.worker);

/** Tries one after another; a repeat over a new connection is the same try. */
const triesOf = (met: readonly Meeting[]): readonly Meeting[] =>
  met.filter(({ worker }, at) => worker !== met[at + 1]?.worker);

/** The statuses a client may get when nobody had an answer for it; none: somebody had to have one. */
const allowedStatuses = ({ met, away }: Case): ReadonlySet<number> => {
  const tries = triesOf(met);
  const last = tries.at(-1);
  const allowed = new Set<number>();
  if (last?.fault?.kind === 'says' && last.fault.status) allowed.add(last.fault.status);
  // Nobody meets a worker that is not there: it may have been the last but one, or the last.
  const isOver = tries.slice(-2).some((meeting) => mayBeLast(meeting, away)) || (away.size > 0 && tries.length <= 1);
  if (!isOver) return allowed;
  // The one asked after it was well.
  if (last && !last.fault && away.size === 0) return allowed;
  if (tries.some(({ fault }) => fault?.status === 500)) {
    allowed.add(500);
    // After a 500 whatever the other one says passes.
    if (last?.fault?.status) allowed.add(last.fault.status);
  }
  allowed.add(last?.fault?.final ?? 502);
  if (away.size > 0) allowed.add(502).add(504);
  return allowed;
};

/** @returns what is wrong with the events of a stream, each seen for itself: nothing half may stand in front of an error. */
const problemInEvents = ({ headers, text }: Received): string | undefined => {
  const type = headers['content-type'] ?? '';
  const isJson = (data: string) => {
    try {
      JSON.parse(data);
      return true;
    } catch {
      return data === '[DONE]';
    }
  };
  if (type.startsWith('application/x-ndjson')) {
    return text.split('\n').filter(Boolean).every(isJson) ? undefined : 'half a line';
  }
  if (!type.startsWith('text/event-stream') || headers['content-encoding'] !== undefined) return undefined;
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  if (/(?:^|\n): keep-alive\n\n/.test(lines)) return 'a blank line behind a keep-alive';
  const data = lines.split('\n').filter((line) => line.startsWith('data:'));
  return data.every((line) => isJson(line.slice('data:'.length).trim())) ? undefined : 'half an event';
};

/** @returns what docs/contract.md 5 has against the waits a reply asks for. */
export const problemInWaits = ({ headers }: Received): string | undefined => {
  const seconds = headers['retry-after'];
  const ms = headers['retry-after-ms'];
  if (seconds === undefined) return undefined;
  if (!/^\d{1,8}$/.test(seconds)) return `retry-after ${seconds.slice(0, 40)}`;
  if (ms !== undefined && Math.ceil(Number(ms) / 1000) !== Number(seconds)) return `waits ${seconds} s and ${ms} ms`;
  return undefined;
};

/** @returns what docs/contract.md sections 5 and 6 have against a reply, if anything. */
export const judge = (each: Case): string | undefined => {
  const { one, received, met, away } = each;
  const { status, headers, text } = received;
  const last = met.at(-1);
  const standIn = standInOf(received);
  if (headers['x-correlation-id'] === undefined) return 'no correlation id';
  const isKept = status === 500 && met.some(({ worker, fault }) => worker.name === standIn && fault?.status === 500);
  if (standIn !== undefined && standIn !== last?.worker.name && !isKept) return 'not the last worker’s bytes';
  const waits = problemInWaits(received);
  if (waits) return waits;
  const tries = triesOf(met);
  if (tries.slice(0, -2).some(isLast)) return 'more than one other was asked';
  if (status >= 500 && headers['content-type']?.startsWith('text/html')) return 'a page';
  if (status !== 200) {
    const isOwn = standIn !== undefined || last?.fault?.isOwn === true;
    const problem = isOwn ? undefined : problemOf(one.dialect, text);
    if (problem) return `${status}: ${problem}`;
    return allowedStatuses(each).has(status) ? undefined : `failed before the first byte: ${status}`;
  }
  const isFramed = /^(text\/event-stream|application\/x-ndjson)/.test(headers['content-type'] ?? '');
  const events = problemInEvents(received);
  if (events) return events;
  const ending = endingOf(one, received);
  const allowed = allowedEndings(one, isFramed, last?.fault);
  if (allowed.includes(ending)) return undefined;
  if (last && away.has(last.worker) && ending === (isFramed ? 'error' : 'broken')) return undefined;
  // Behind a keep-alive there is no other worker.
  const isCommitted = /^(: keep-alive|event: ping)/.test(text);
  if (last?.fault?.kind === 'refuses' && ending === 'error' && isCommitted) return undefined;
  return `ended ${ending} where it may only be ${allowed.join(' or ') || 'answered by another'}`;
};

/** @returns what docs/contract.md section 3 has against a reply's node header, if anything. */
export const judgeHeader = ({ received, met, away }: Case): string | undefined => {
  const value = received.headers['x-localai-node'];
  const standIn = standInOf(received);
  const expected = standIn === undefined ? met.at(-1)?.worker : { name: standIn };
  if (!expected || value === nodeIdOf(expected)) return undefined;
  // The gateway's own error names the last one tried, which may have been one that was not there.
  const isOfAbsent = standIn === undefined && [...away].some((worker) => nodeIdOf(worker) === value);
  if (isOfAbsent && received.status >= 500) return undefined;
  return value === undefined ? 'no node header' : 'another node’s header';
};
