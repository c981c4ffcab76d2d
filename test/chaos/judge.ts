import { type Ending, endingOf } from '../support/endings.ts';
import { nodeIdOf } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { problemOf } from '../support/in-dialect.ts';
import type { Operation } from '../support/operations.ts';
import type { Meeting } from './weather.ts';

/** A reply, and what its request met on its way. */
export interface Case {
  readonly one: Operation;
  readonly received: Received;
  readonly met: readonly Meeting[];
  /** The last worker it met went away meanwhile. */
  readonly wentAway: boolean;
}

/** Whose answer it is, as the answer itself says. */
const standInOf = ({ headers }: Received): string | undefined => headers['x-stand-in'] as string | undefined;

/** How an answer of a worker that did this may end. */
const allowedEndings = ({ streams }: Operation, isFramed: boolean, fault: Meeting['fault']): readonly Ending[] => {
  if (fault?.kind === 'silent') return streams === 'sse' ? ['error'] : [];
  if (fault?.kind !== 'breaks') return ['whole'];
  if (isFramed) return ['error'];
  // Bytes and JSON have no marker: a clean end is an end.
  return fault.name.startsWith('an end') ? ['whole'] : ['broken'];
};

/** @returns what CONTRACT.md sections 5 and 6 have against a reply, if anything. */
export const judge = ({ one, received, met, wentAway }: Case): string | undefined => {
  const { status, headers, text } = received;
  const last = met.at(-1);
  const standIn = standInOf(received);
  if (headers['x-correlation-id'] === undefined) return 'no correlation id';
  if (standIn !== undefined && standIn !== last?.worker.name) return 'not the last worker’s bytes';
  if (status !== 200) {
    if (last?.fault?.kind === 'says' && String(status) === last.fault.name) return undefined;
    const problem = problemOf(one.dialect, text);
    return `failed before the first byte: ${status}${problem ? `, ${problem}` : ''}`;
  }
  const isFramed = /^(text\/event-stream|application\/x-ndjson)/.test(headers['content-type'] ?? '');
  const ending = endingOf(one, received);
  const allowed = allowedEndings(one, isFramed, last?.fault);
  if (allowed.includes(ending)) return undefined;
  if (wentAway && ending === (isFramed ? 'error' : 'broken')) return undefined;
  // Behind a keep-alive there is no other worker.
  const isCommitted = /^(: keep-alive|event: ping)/.test(text);
  if (last?.fault?.kind === 'refuses' && ending === 'error' && isCommitted) return undefined;
  return `ended ${ending} where it may only be ${allowed.join(' or ') || 'answered by another'}`;
};

/** @returns what CONTRACT.md section 3 has against a reply's node header, if anything. */
export const judgeHeader = ({ received, met }: Case): string | undefined => {
  const value = received.headers['x-localai-node'];
  const standIn = standInOf(received);
  const expected = standIn === undefined ? met.at(-1)?.worker : { name: standIn };
  if (!expected || value === nodeIdOf(expected)) return undefined;
  return value === undefined ? 'no node header' : 'another node’s header';
};
