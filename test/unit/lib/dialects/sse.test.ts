import { describe, expect, test } from '@jest/globals';
import {
  closingOf,
  createEventEnds,
  createPretest,
  isSurelyGiven,
  readEvents,
  startOfEvent,
} from '../../../../lib/dialects/sse.ts';

/** What `differential.test.ts` shows of whole streams, place by place. */
describe('the end of an event', () => {
  test.each([
    ['LF', ['data: 1\n\n'], [9]],
    ['CRLF', ['data: 1\r\n\r\n'], [11]],
    ['CR', ['data: 1\r\r'], [9]],
    ['the next event begun', ['data: 1\n\ndata'], [9]],
    ['between two LFs', ['data: 1\n', '\ndata'], [-1, 1]],
    ['inside the last CRLF: it may be half of one', ['data: 1\r\n\r', '\n'], [-1, 1]],
    ['inside the last CRLF, which was none', ['data: 1\r\n\r', 'data: 2'], [-1, 0]],
    ['inside the first CRLF', ['data: 1\r', '\n\r\ndata'], [-1, 3]],
    ['a stream that knows no LF does not wait for one', ['data: 1\r', '\r', 'data: 2'], [-1, 1, -1]],
    ['nowhere', ['data: 1', ' more\n', ': x\n'], [-1, -1, -1]],
    ['an empty line at the start', ['\n', 'data'], [1, -1]],
  ])('%s', (_, chunks, ends) => {
    const endOf = createEventEnds();
    expect(chunks.map((chunk) => endOf(Buffer.from(chunk)))).toEqual(ends);
  });
});

test.each([
  ['data: {}', '\n\n'],
  ['data: {}\n', '\n'],
  ['data: {}\r\n', '\n'],
  ['data: {}\r', '\n\n'],
])('what %j lacks ends it', (event, closing) => {
  expect(closingOf(Buffer.from(event))).toBe(closing);
  expect(readEvents(event + closing, false)).toHaveLength(1);
});

test('a byte order mark means nothing at the start, and is a character of a name elsewhere', () => {
  expect([readEvents('\uFEFFdata: 1\n\n', true).length, readEvents('\uFEFFdata: 1\n\n', false).length]).toEqual([1, 0]);
});

test.each([
  ['data: 1\n\n', true],
  ['event: a\ndata: 1\n\n', true],
  ['id: 1\r\ndata: 1\r\n\r\n', true],
  [': data: 1\n\n', false],
  ['database: 1\n\n', false],
])('whether a client is surely given something of %j: %s', (events, isGiven) => {
  expect(isSurelyGiven(Buffer.from(events))).toBe(isGiven);
});

test.each([
  ['data: 1\n\ndata: [DONE]\n\n', 9],
  ['data: [DONE]\n\n', 0],
  ['event: a\ndata: [DONE]\n\n', 0],
  ['data: 1\n\n\ndata: [DONE]\n\n', 10],
  ['data: 1\r\n\r\ndata: [DONE]\n\n', 0],
])('where the event of [DONE] begins in %j', (events, start) => {
  const bytes = Buffer.from(events);
  expect(readEvents(events.slice(startOfEvent(bytes, bytes.indexOf('[DONE]'))), false).at(-1)?.data).toBe('[DONE]');
  expect(startOfEvent(bytes, bytes.indexOf('[DONE]'))).toBe(start);
});

describe('a pretest says the same of one event, of a few and of many', () => {
  const pretest = createPretest(['[DONE]'], /finish_reason"(?!\s*:\s*null)/);
  const ordinary = 'data: {"choices":[{"delta":{"content":"DONE [loading] \\n"},"finish_reason":null}]}\n\n';

  test.each([
    ['data: {}\n\n', false],
    ['data: [DONE]\n\n', true],
    ['data: {"finish_reason" : "stop"}\n\n', true],
    ['data: {"finish_reason": null}\n\n', false],
    ['data: {"finish\\u005freason":"stop"}\n\n', true],
    ['data: {"error":{"type":"model_loading"},"loading":{"node":"a"}}\n\n', true],
  ])('%j: %s', (event, matters) => {
    // Behind others, before others, and where every letter of another alphabet is more than a byte.
    for (const before of ['', ordinary, ordinary.repeat(1000), 'data: "ä"\n\n'.repeat(1000)]) {
      const events = Buffer.from(before + event + ordinary);
      const at = pretest.batch(events);
      expect(at >= 0).toBe(matters);
      if (matters) expect(events.toString('utf8', startOfEvent(events, at))).toBe(event + ordinary);
    }
    expect(readEvents(ordinary + event, true).map((one) => pretest.event(one))).toEqual([false, matters]);
  });
});
