import {
  type Behaviour,
  combine,
  crlf,
  cut,
  encoded,
  endEarly,
  firstEventError,
  inPiecesOf,
  modelLoading,
  paced,
  raw,
  reply,
  stallAfter,
  withHeaders,
} from '../support/worker/behaviours.ts';

/** What a worker may do instead of what it should. */
export interface Fault {
  readonly name: string;
  readonly behaviour: Behaviour;
  /**
   * - `refuses`: nothing of it reaches the client, another worker has to answer;
   * - `silent`: as well, or a stream is kept alive for a while and ends in an error;
   * - `breaks`: its answer begins and does not end;
   * - `odd`: its answer is whole, in an unusual way;
   * - `says`: an error of its own, which is the client's to read.
   */
  readonly kind: 'refuses' | 'silent' | 'breaks' | 'odd' | 'says';
  /** Only streams of events know it; elsewhere the worker behaves. */
  readonly onlySse?: true;
  /** Only time tells that it failed. */
  readonly isSlow?: true;
}

/** A buffered answer in three pieces, so that it has a middle. */
const inThree: Behaviour = {
  change: (answer) => {
    if (answer.parts.length > 1) return answer;
    const body = Buffer.concat(answer.parts);
    const third = Math.ceil(body.length / 3);
    return { ...answer, parts: [0, 1, 2].map((at) => body.subarray(at * third, (at + 1) * third)) };
  },
};

const refuses = (name: string, behaviour: Behaviour): Fault => ({ name, behaviour, kind: 'refuses' });
const breaks = (name: string, behaviour: Behaviour): Fault => ({
  name,
  behaviour: combine(inThree, behaviour),
  kind: 'breaks',
});
const odd = (name: string, behaviour: Behaviour): Fault => ({ name, behaviour, kind: 'odd' });
const says = (name: string, behaviour: Behaviour): Fault => ({ name, behaviour, kind: 'says' });

export const faults: readonly Fault[] = [
  refuses('reset before the head', cut('before-head')),
  refuses('half a head', raw('HTTP/1.1 200 O')),
  refuses('no HTTP', raw('\x15\x03\x01\x00\x02\r\n\r\n')),
  refuses('a head and a reset', cut('after-head')),
  refuses('a head of 1 MB', raw(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(1_000_000)}\r\n\r\n`)),
  refuses('another protocol', raw('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
  refuses('two lengths', raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}')),
  refuses('429', reply(429, { error: { message: 'busy' } }, { 'retry-after': '1' })),
  refuses('502', reply(502, 'bad gateway')),
  refuses('503', reply(503, { error: { message: 'not now' } })),
  refuses('504', reply(504, 'too late')),
  refuses('a loading model', modelLoading('chaos', 'inner-node')),
  { ...refuses('a first event with 503', firstEventError({ error: { message: 'no', code: 503 } })), onlySse: true },
  { ...refuses('a first event without a code', firstEventError({ error: { message: 'no' } })), onlySse: true },
  { name: 'no head', behaviour: stallAfter(-1), kind: 'silent', isSlow: true },
  { name: 'a head and no body', behaviour: stallAfter(0), kind: 'silent', isSlow: true },
  breaks('a reset in the body', cut({ midEvent: 0 })),
  breaks('a reset behind an event', cut({ after: 1 })),
  breaks('a reset inside an event', cut({ midEvent: 1 })),
  breaks('an end without the marker', endEarly(2)),
  breaks('an end inside an event', combine(inPiecesOf(30), endEarly(3))),
  { ...breaks('a stall', stallAfter(2)), isSlow: true },
  odd('CRLF', crlf),
  odd('bytes one by one', inPiecesOf(1)),
  odd('pieces', inPiecesOf(7)),
  odd('gzip', encoded('gzip')),
  odd('slowness', paced(20)),
  odd('odd headers', withHeaders({ 'x-localai-node': 'forged', 'set-cookie': 'a=b', server: 'inner', 'x-a': 'b' })),
  says('400', reply(400, { error: { message: 'own words', code: 400 } })),
  says('500', reply(500, { error: { message: 'own words', code: 500 } })),
];
