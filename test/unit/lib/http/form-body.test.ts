import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseForm } from '../../../../lib/http/form.ts';
import { type FormBody, joinForm, textPart, wholePart } from '../../../../lib/http/form-body.ts';

const contentType = 'multipart/form-data; boundary=b';
const signal = new AbortController().signal;
const bytesOf = async (body: FormBody): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open(signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
};
const read = async (body: FormBody): Promise<FormData> =>
  new Response(new Uint8Array(await bytesOf(body)), { headers: { 'content-type': body.contentType } }).formData();

describe('a form taken apart and put together again', () => {
  const again = async (type: string, body: Buffer) => {
    const form = parseForm(type, body);
    return bytesOf(joinForm(form.parts.map((part) => wholePart(form, part))));
  };
  const withoutBoundary = (body: Buffer) => body.toString('latin1').replaceAll(/form-[0-9a-f]{48}/g, 'b');

  test('keeps the bytes of its parts, of those too that nobody can read', async () => {
    const parts =
      '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n--b \r\nx\r\n--b\r\n\r\n--b--x\r\n\r\n--b\r\n\r\n'.replace(
        '--b--x',
        '--c--x',
      );
    const joined = await again(contentType, Buffer.from(`preamble\r\n${parts}\r\n--b--\r\nepilogue`));
    expect(withoutBoundary(joined)).toBe(`${parts}\r\n--b--\r\n`);
  });

  test('is what it was, whatever it is', async () => {
    const parts = fc.array(fc.record({ name: fc.constantFrom('a', 'b[]', 'file'), bytes: fc.uint8Array() }), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(parts, async (given) => {
        const form = new FormData();
        for (const { name, bytes } of given) form.append(name, new Blob([new Uint8Array(bytes)]), 'x');
        const encoded = new Response(form);
        const type = encoded.headers.get('content-type') ?? '';
        const whole = parseForm(type, Buffer.from(await encoded.arrayBuffer()));
        const joined = await read(joinForm(whole.parts.map((part) => wholePart(whole, part))));
        const files = await Promise.all(
          [...joined].map(async ([name, file]) => [name, [...new Uint8Array(await (file as File).arrayBuffer())]]),
        );
        expect(files).toEqual(given.map(({ name, bytes }) => [name, [...bytes]]));
      }),
      { numRuns: 50 },
    );
  });
});

describe('joinForm', () => {
  const streamed = (content: string, opened: { times: number }) => ({
    name: 'file',
    filename: 'a "b"\r\n.wav',
    contentType: 'audio/wav',
    length: Buffer.byteLength(content),
    async *open() {
      opened.times += 1;
      for (const letter of content) yield Buffer.from(letter);
    },
  });

  test('declares the length it has, and can be read again', async () => {
    const opened = { times: 0 };
    const body = joinForm([textPart('a', 'ü'.repeat(5000)), streamed('grüße', opened)]);
    for (let round = 1; round <= 2; round += 1) {
      let length = 0;
      for await (const chunk of body.open(signal)) length += chunk.length;
      expect([length, opened.times]).toEqual([body.length, round]);
    }
    const form = await read(body);
    expect(form.get('a')).toBe('ü'.repeat(5000));
    const file = form.get('file') as File;
    expect([await file.text(), file.type]).toEqual(['grüße', 'audio/wav']);
  });

  test('nothing is opened before it is read, and two forms have two boundaries', () => {
    const opened = { times: 0 };
    const types = [joinForm([streamed('x', opened)]), joinForm([])].map((body) => body.contentType);
    expect(opened.times).toBe(0);
    expect(new Set(types).size).toBe(2);
  });
});
