import { describe, expect, test } from '@jest/globals';
import { createEventEnds } from '../../../../lib/dialects/sse.ts';
import { createWholeParts } from '../../../../lib/dialects/whole-parts.ts';

const create = () => createWholeParts(createEventEnds());
const push = (parts: ReturnType<typeof create>, text: string) => parts.push(Buffer.from(text))?.toString();

/** docs/contract.md 6: SSE and NDJSON leave in whole events. */
describe('whole parts', () => {
  test('a chunk that ends with an event is not copied', () => {
    const chunk = Buffer.from('data: 1\n\ndata: 2\n\n');
    expect(create().push(chunk)).toBe(chunk);
  });

  test('the unfinished end of a chunk waits for its rest', () => {
    const parts = create();
    expect([push(parts, 'data: 1\n\nda'), parts.held.toString()]).toEqual(['data: 1\n\n', 'da']);
    expect([push(parts, 'ta:'), push(parts, ' 2\n\nd')]).toEqual([undefined, 'data: 2\n\n']);
    expect([parts.held.toString(), parts.isOpen]).toEqual(['d', false]);
  });

  test('what may have been half of a CRLF leaves as soon as it is known that it was not', () => {
    const parts = create();
    expect([push(parts, 'data: 1\n\r'), push(parts, 'data: 2')]).toEqual([undefined, 'data: 1\n\r']);
    expect([parts.held.toString(), push(parts, '\n\n')]).toEqual(['data: 2', 'data: 2\n\n']);
  });

  test('64 KB of an event are waited for, more of it pass', () => {
    const parts = create();
    const half = 'x'.repeat(32 * 1024);
    expect([push(parts, half), push(parts, half), parts.isOpen]).toEqual([undefined, undefined, false]);
    expect([push(parts, 'y'), parts.isOpen]).toEqual([`${half}${half}y`, true]);
    expect([push(parts, 'z'), parts.isOpen]).toEqual(['z', true]);
    expect([push(parts, '\n\ndata'), parts.isOpen, parts.held.toString()]).toEqual(['\n\n', false, 'data']);
  });

  test('an event that comes byte by byte is joined once', () => {
    const parts = create();
    const event = `data: ${'x'.repeat(60_000)}\n\n`;
    const out = [...event].map((byte) => push(parts, byte)).filter((bytes) => bytes !== undefined);
    expect(out).toEqual([event]);
  });
});
