import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type FormBody, joinForm, splitForm, textPart } from '../../../../lib/http/form-parts.ts';

const contentType = 'multipart/form-data; boundary=b';
const signal = new AbortController().signal;
const bytesOf = async (body: FormBody): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open(signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
};
const read = async (body: FormBody): Promise<FormData> =>
  new Response(new Uint8Array(await bytesOf(body)), { headers: { 'content-type': body.contentType } }).formData();

describe('splitForm', () => {
  test('parts with their heads and bytes', () => {
    const body = Buffer.from(
      'preamble\r\n--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n--b\r\n' +
        'content-disposition: form-data; name=f; filename="name=x"\r\nContent-Type: x/y\r\n\r\n--\r\n\r\n--b--\r\nepilogue',
    );
    const parts = splitForm(contentType, body).map(({ name, head, content }) => [name, head, content.toString()]);
    expect(parts).toEqual([
      ['a', 'Content-Disposition: form-data; name="a"', 'one'],
      ['f', 'content-disposition: form-data; name=f; filename="name=x"\r\nContent-Type: x/y', '--\r\n'],
    ]);
  });

  test('empty contents, and a part without a head', () => {
    const body = Buffer.from('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--b\r\n\r\nbare\r\n--b--');
    expect(
      splitForm('multipart/form-data; boundary="b"', body).map(({ name, content }) => [name, `${content}`]),
    ).toEqual([
      ['a', ''],
      ['', 'bare'],
    ]);
  });

  test.each([
    ['', '--b--'],
    ['multipart/form-data', '--b--'],
    [contentType, ''],
    [contentType, '--b'],
    [contentType, '--b\r\n'],
    [contentType, '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'],
    [contentType, '--b\r\nContent-Disposition: form-data; name="a"\r\n--b--'],
  ])('%j %j is 400', (type, body) => {
    expect(() => splitForm(type, Buffer.from(body))).toThrow(expect.objectContaining({ status: 400 }));
  });

  test('takes apart what the platform puts together, whatever it is', async () => {
    const parts = fc.array(fc.record({ name: fc.constantFrom('a', 'b[]', 'file'), bytes: fc.uint8Array() }), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(parts, async (given) => {
        const form = new FormData();
        for (const { name, bytes } of given) form.append(name, new Blob([new Uint8Array(bytes)]), 'x');
        const encoded = new Response(form);
        const type = encoded.headers.get('content-type') ?? '';
        const split = splitForm(type, Buffer.from(await encoded.arrayBuffer()));
        expect(split.map(({ name, content }) => [name, [...content]])).toEqual(
          given.map(({ name, bytes }) => [name, [...bytes]]),
        );
        const again = await read(joinForm(split));
        const files = await Promise.all(
          [...again].map(async ([name, file]) => [name, [...new Uint8Array(await (file as File).arrayBuffer())]]),
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
