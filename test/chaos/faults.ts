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
import {
  behindComments,
  cr,
  dyingAfter,
  echoing,
  encodedTwice,
  halfOfTwoChoices,
  jsonInstead,
  page,
  pageForPicture,
  pausing,
  pictureBesideUrl,
  strayBehind,
  withIds,
  withoutLastLineEnd,
} from '../support/worker/misbehaviours.ts';

/** A request as far as faults depend on it. */
export interface Asking {
  readonly path: string;
  readonly isSse: boolean;
  /** Two choices were asked for. */
  readonly isDouble: boolean;
}

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
  /** The status it answers with, where it has one. */
  readonly status?: number;
  /** The client's status where no other worker has an answer; default 502, and the own one of what `says`. */
  readonly final?: number;
  /** After it one other worker at most is asked: the request was there, and may be what it died of. */
  readonly isLast?: true;
  /** Requests that know it; default all. Elsewhere the worker behaves. */
  readonly knows?: (asking: Asking) => boolean;
  /** Only time tells that it failed. */
  readonly isSlow?: true;
  /** The error passes with more than the dialect's own fields. */
  readonly isOwn?: true;
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

type More = Partial<Omit<Fault, 'name' | 'behaviour' | 'kind'>>;
const refuses = (name: string, behaviour: Behaviour, more: More = {}): Fault => ({
  name,
  behaviour,
  kind: 'refuses',
  ...more,
});
/** The request was there, then nothing came of it. */
const dies = (name: string, behaviour: Behaviour, more: More = {}): Fault =>
  refuses(name, behaviour, { isLast: true, ...more });
const breaks = (name: string, behaviour: Behaviour, more: More = {}): Fault => ({
  name,
  behaviour: combine(inThree, behaviour),
  kind: 'breaks',
  ...more,
});
const odd = (name: string, behaviour: Behaviour, more: More = {}): Fault => ({ name, behaviour, kind: 'odd', ...more });
const says = (name: string, behaviour: Behaviour, status: number, more: More = {}): Fault => ({
  name,
  behaviour,
  kind: 'says',
  status,
  ...more,
});

const sse = { knows: ({ isSse }: Asking) => isSse };
const choices = { knows: ({ isSse, isDouble }: Asking) => isSse && isDouble };
/** Streams of one text, which a JSON answer can be turned into. */
const texts = { knows: ({ isSse, path }: Asking) => isSse && /completions$|\/messages$|\/responses$/.test(path) };
const pictures = { knows: ({ path }: Asking) => /\/images\//.test(path) };
const head = (lines: string) => raw(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\n{}`);

export const faults: readonly Fault[] = [
  dies('reset before the head', cut('before-head')),
  dies('a reset after a while', dyingAfter(200)),
  dies('half a head', raw('HTTP/1.1 200 O')),
  dies('no HTTP', raw('\x15\x03\x01\x00\x02\r\n\r\n')),
  dies('a head and a reset', cut('after-head')),
  dies('a head of 1 MB', raw(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(1_000_000)}\r\n\r\n`)),
  dies('another protocol', raw('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
  dies('two lengths', head('content-length: 2\r\ncontent-length: 9')),
  dies('a header name that is none', head('Content-Length : 2')),
  dies('a coding of the transfer that stays on', head('transfer-encoding: gzip')),
  dies('a page for a picture', pageForPicture, pictures),
  refuses('429', reply(429, { error: { message: 'busy' } }, { 'retry-after': '1' }), { status: 429, final: 429 }),
  refuses('429 with 400 digits', reply(429, { error: 'busy' }, { 'retry-after': '9'.repeat(400) }), {
    status: 429,
    final: 429,
  }),
  refuses('429 in milliseconds', reply(429, { error: 'busy' }, { 'retry-after': '0.5', 'retry-after-ms': '250' }), {
    status: 429,
    final: 429,
  }),
  refuses('502', reply(502, 'bad gateway'), { status: 502 }),
  refuses('503', reply(503, { error: { message: 'not now' } }), { status: 503, final: 503 }),
  refuses('504', reply(504, 'too late'), { status: 504 }),
  refuses('a page with 503', page(503), { status: 503 }),
  refuses('a lost model', reply(404, { error: { message: 'no such model' } }), { status: 404, final: 404 }),
  refuses('a loading model', modelLoading('chaos', 'inner-node'), { status: 503, final: 503 }),
  ...[
    { name: '503', error: { message: 'no', code: 503 }, more: { final: 503 } },
    { name: 'no code', error: { message: 'no' }, more: {} },
    { name: 'a type of error', error: { message: 'no', type: 'rate_limit_error' }, more: { final: 429 } },
  ].flatMap(({ name, error, more }) => [
    refuses(`a first event with ${name}`, firstEventError({ error }), { ...sse, ...more, isOwn: true }),
    refuses(`a first event behind comments, with ${name}`, combine(firstEventError({ error }), behindComments), {
      ...sse,
      ...more,
      isOwn: true,
    }),
  ]),
  { name: 'no head', behaviour: stallAfter(-1), kind: 'silent', isSlow: true, final: 504 },
  { name: 'a head and no body', behaviour: stallAfter(0), kind: 'silent', isSlow: true, final: 504 },
  breaks('a reset in the body', cut({ midEvent: 0 })),
  breaks('a reset behind an event', cut({ after: 1 })),
  breaks('a reset inside an event', cut({ midEvent: 1 })),
  breaks('a reset behind an echo of every marker', combine(echoing, cut({ after: 2 }))),
  breaks('an end without the marker', endEarly(2)),
  breaks('an end behind an echo of every marker', combine(echoing, endEarly(2))),
  breaks('an end inside an event', combine(inPiecesOf(30), endEarly(3))),
  breaks('an end with one of two choices', halfOfTwoChoices, choices),
  { ...breaks('a stall', stallAfter(2)), isSlow: true },
  odd('CRLF', crlf),
  odd('CR', cr, sse),
  odd('bytes one by one', inPiecesOf(1)),
  odd('pieces', inPiecesOf(7)),
  odd('gzip', encoded('gzip')),
  odd('gzip in br', encodedTwice),
  odd('a coding that is none', withHeaders({ 'content-encoding': 'constructor' })),
  odd('slowness', paced(20)),
  odd('ids and a pause', combine(withIds, pausing(2, 1500)), sse),
  odd('an echo of every marker', echoing),
  odd('no line end behind the marker', withoutLastLineEnd, sse),
  odd('JSON for a stream', jsonInstead, texts),
  odd('JSON for a stream, late', combine(jsonInstead, pausing(0, 1500)), texts),
  odd('a stray answer behind its own', strayBehind),
  odd('a picture and no URL', pictureBesideUrl(''), pictures),
  odd('a picture and a page', pictureBesideUrl('/'), pictures),
  odd('odd headers', withHeaders({ 'x-localai-node': 'forged', 'set-cookie': 'a=b', server: 'inner', 'x-a': 'b' })),
  says('400', reply(400, { error: { message: 'own words', code: 400 } }), 400),
  says('400 in a coding, empty', reply(400, '', { 'content-encoding': 'gzip' }), 400),
  says('a first event with 400', firstEventError({ error: { message: 'own', type: 'invalid_request_error' } }), 400, {
    ...sse,
    isOwn: true,
  }),
  says('500', reply(500, { error: { message: 'own words', code: 500 } }), 500, { isLast: true }),
  dies('a page with 500', page(500), { status: 500 }),
];
