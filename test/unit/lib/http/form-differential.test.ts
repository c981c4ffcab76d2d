import { Busboy } from '@fastify/busboy';
import { describe, expect, test } from '@jest/globals';
import { InvalidRequestError } from '../../../../lib/errors.ts';
import { parseForm } from '../../../../lib/http/form.ts';
import { textOf } from '../../../../lib/http/form-fields.ts';
import { seeded } from '../../../support/seeded.ts';

/** The gateway's parser against `@fastify/busboy`: the same parts, named alike, with the same contents, or both refuse. */
type Part = readonly [kind: 'text' | 'file', name: string, content: string];
type Reading = readonly Part[] | 'refused';

const ours = (contentType: string, body: Buffer): Reading => {
  try {
    const form = parseForm(contentType, body);
    return form.parts.flatMap((part): Part[] => {
      if (part.name === undefined) return [];
      if (!part.isFile) return [['text', part.name, textOf(form, part)]];
      return [['file', part.name, body.toString('latin1', part.start, part.end)]];
    });
  } catch (error) {
    if (error instanceof InvalidRequestError) return 'refused';
    throw error;
  }
};

const theirs = (contentType: string, body: Buffer): Promise<Reading> =>
  new Promise((resolve) => {
    // By place, for a file is announced before it is read.
    const parts: [kind: 'text' | 'file', name: string | undefined, content: string][] = [];
    const refuse = () => resolve('refused');
    try {
      const busboy = new Busboy({ headers: { 'content-type': contentType } });
      busboy.on('field', (name: string | undefined, value: string) => parts.push(['text', name, value]));
      busboy.on('file', (name: string | undefined, stream) => {
        const part: (typeof parts)[number] = ['file', name, ''];
        parts.push(part);
        stream.on('data', (chunk: Buffer) => {
          part[2] += chunk.toString('latin1');
        });
        stream.on('error', refuse);
      });
      busboy.on('error', refuse);
      busboy.on('finish', () => resolve(parts.filter((part): part is [...Part] => part[1] !== undefined)));
      busboy.end(body);
    } catch {
      refuse();
    }
  });

const agree = async (contentType: string, body: Buffer | string): Promise<Reading> => {
  const bytes = Buffer.from(body as string, 'latin1');
  const expected = await theirs(contentType, bytes);
  const found = ours(contentType, bytes);
  // Said whole only where they differ: a hundred thousand of `expect` would take longer than the parsers.
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    expect({ contentType, body: bytes.toString('latin1'), found }).toEqual({
      contentType,
      body: bytes.toString('latin1'),
      found: expected,
    });
  }
  return found;
};

const type = 'multipart/form-data; boundary=b';
const part = (disposition: string, content = 'x', more = '') =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n${content}\r\n`;
const form = (...parts: string[]) => `${parts.join('')}--b--\r\n`;

describe('what was met, and what others disagree about', () => {
  test.each<[string, string, Reading, string?]>([
    ['blanks after the boundary', `--b  \r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--`, []],
    [
      'a preamble that speaks of the boundary',
      `It is --b, see --b--\r\n${form(part('name="a"'))}`,
      [['text', 'a', 'x']],
    ],
    ['a folded header', form(part('\r\n name="a"')), [['text', 'a', 'x']]],
    ['a folded name', form(part('name="a\r\n\tb"')), [['text', 'a\tb', 'x']]],
    ['name*', form(part("name*=UTF-8''m%6fdel")), [['text', 'model', 'x']]],
    ['name* without a charset', form(part('name*=model')), [['text', '=model', 'x']]],
    [
      'two models',
      form(part('name=model', '1'), part('name=model', '2')),
      [
        ['text', 'model', '1'],
        ['text', 'model', '2'],
      ],
    ],
    ['a name in a file name', form(part('name="file"; filename="a; name=model"')), [['file', 'file', 'x']]],
    [
      'a file name in front of the name',
      form(part('filename="a; name=file_id"; name="file"')),
      [['file', 'file', 'x']],
    ],
    ['a quoted quote', form(part('name="file"; filename="a\\"; name=\\"model"')), [['file', 'file', 'x']]],
    ['a name after the file name', form(part('name="a"; filename="f"; name="b"')), [['file', 'a', 'x']]],
    ['the same, otherwise written', form(part('name=a; filename="f"; name="b"')), [['file', 'b', 'x']]],
    ['two names', form(part('name="a"; name="b"')), [['text', 'b', 'x']]],
    ['an empty file name', form(part('name="a"; filename=""')), [['file', 'a', 'x']]],
    ['bytes', form(part('name="a"', 'x', 'Content-Type: application/octet-stream\r\n')), [['file', 'a', 'x']]],
    ['a charset', form(part('name="a"', '\xfc', 'Content-Type: text/plain; charset=latin1\r\n')), [['text', 'a', 'ü']]],
    ['no header', '--b\r\n\r\nx\r\n--b--', []],
    ['half a header', '--b\r\nContent-Disposition: form-data; name="a"\r\n--b--', []],
    ['no content, and no line break for it', '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n--b--', []],
    ['no parts', '--b--', []],
    ['a dash, then a dash', `--b-\r\n--b-\r\n${form(part('name="a"'))}`, []],
    ['a dash before the header', form(part('name="a"').replace('--b', '--b-')), []],
    ['no closing line', part('name="a"'), 'refused'],
    ['half a closing line', `${part('name="a"')}--b-`, 'refused'],
    ['nothing', '', 'refused'],
    ['no boundary', form(part('name="a"')), 'refused', 'multipart/form-data'],
    ['a boundary of 253', form(part('name="a"')), 'refused', `multipart/form-data; boundary=${'b'.repeat(253)}`],
    [
      'a quoted boundary among others',
      form(part('name="a"')),
      [['text', 'a', 'x']],
      'Multipart/Form-Data;charset=x; BOUNDARY="b"; boundary=c',
    ],
  ])('%s', async (_, body, expected, contentType = type) => {
    expect(await agree(contentType, body)).toEqual(expected);
  });

  test('a header too long, of too many lines', async () => {
    const padding = (bytes: number) => `x: ${'p'.repeat(bytes)}\r\n`;
    for (const bytes of [80, 81_800, 81_900, 82_000]) {
      const late = `--b\r\n${padding(bytes)}Content-Disposition: form-data; name="a"\r\n\r\nx\r\n`;
      await agree(type, form(late));
    }
    for (const lines of [1998, 1999, 2000, 2001]) {
      const late = `--b\r\n${'x: y\r\n'.repeat(lines)}Content-Disposition: form-data; name="a"\r\n\r\nx\r\n`;
      await agree(type, form(late));
    }
  });
});

/** Forms of words that mean something to a parser, changed at a few places by words that mean something to it. */
const generator = (seed: number) => {
  const random = seeded(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const one = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const boundaries = ['b', '--', '-b-', 'form-8Kq', "a'()+_,-./:=?b", 'bb b'];
  const names = ['model', 'file', 'a;b', 'a"b', 'a\\b', 'ü', "UTF-8''x", '', 'name=model', ' a ', '__proto__', 'x*'];
  const extended = ["UTF-8''m%6Fdel", "utf-8'en'%c3%bc", "latin1''%fc", "''x", "x'y", "utf-16le''a%00", "b''%0a", '=m'];
  const types = [
    'text/plain',
    'application/octet-stream',
    'Application/Octet-Stream ',
    'text/plain; charset=latin1',
    'text/plain; charset="UTF-16LE"; charset=utf8',
    'application/octet-stream; charset=x',
    '; charset=ascii',
    '',
  ];
  const contents = ['', 'x', 'größe', '\r\n', '-', '--', '\r\n-', '\r', '\n\r\n', 'a\r\n\r\nb'];
  const value = (text: string) =>
    one([
      () => `"${text}"`,
      () => `"${text.replace(/["\\]/g, '\\$&')}"`,
      () => text,
      () => ` " ${text}`,
      () => `"${text}"junk`,
    ])();
  const parameter = () =>
    one([
      () => `name=${value(one(names))}`,
      () => `name="${one(names)}"`,
      () => `NAME = ${value(one(names))}`,
      () => `filename="${one(names)}"`,
      () => `filename=${value(one(names))}`,
      () => `name*=${one(extended)}`,
      () => `filename*=${one(extended)}`,
      () => `filename*="${one(extended)}"`,
      () => one(names),
    ])();
  const list = (most: number, item: () => string, glue: string) =>
    Array.from({ length: below(most + 1) }, item).join(glue);
  const header = () =>
    one([
      () => `Content-Disposition: form-data; name="${one(names)}"`,
      () => `Content-Disposition: form-data; name="${one(names)}"; filename="${one(names)}"`,
      () => `Content-Disposition: form-data; ${list(3, parameter, one(['; ', ';', ' ;\t', ';\r\n ']))}`,
      () => `content-disposition:Form-Data;${list(2, parameter, ';')};`,
      () => `Content-Disposition: ${one(['attachment', 'form-data', 'form-data ', ''])}`,
      () => `Content-Type: ${one(types)}`,
      () => `X: y${one(['', '\r\n folded', '\r', '\nz: y'])}`,
      () => one([': x', 'x', ' x', 'Content-Disposition : form-data; name=a']),
    ])();
  const segment = (boundary: string) =>
    `--${boundary}${below(8) ? '' : one([' ', '-', '\t\t', '--', boundary])}\r\n${list(3, () => `${header()}\r\n`, '')}\r\n${one(contents)}\r\n`;

  return (): { contentType: string; body: Buffer } => {
    const boundary = one(boundaries);
    const parts = list(3, () => segment(boundary), '');
    const around = (text: string) => (below(6) ? '' : text);
    let text = `${around(`about --${boundary}\r\n`)}${parts}--${boundary}--${around(`\r\n--${boundary}\r\n`)}`;
    const words = [
      '\r\n', '\r', '\n', '-', '--', ';', '"', '\\', "'", '=', '*', ':', ' ', '\t', '%41', '\xc3', '\0', 'name=', 'filename=',
      'model', '\r\n\r\n', `\r\n--${boundary}`, `--${boundary}`, `--${boundary}--`, 'Content-Disposition: form-data; name="m"\r\n\r\n',
    ]; // biome-ignore format: a list of words
    for (let changes = below(4); changes > 0; changes -= 1) {
      const at = below(text.length + 1);
      text = text.slice(0, at) + one(['', one(words)]) + text.slice(at + one([0, 0, 1, 2, 5, 40]));
    }
    const quoted = /^[\w.+-]+$/.test(boundary) && below(2) ? boundary : `"${boundary}"`;
    return {
      contentType: `multipart/form-data; ${one(['', 'charset=utf-8; ', 'x="a;b"; '])}boundary=${quoted}`,
      body: Buffer.from(text, 'latin1'),
    };
  };
};

const CASES = 100_000;
test(`${CASES} forms, generated and mutated`, async () => {
  const next = generator(20_260_825);
  // Nobody reads the stack of a refusal, and thousands of them cost seconds.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const seen = { refused: 0, empty: 0, text: 0, file: 0 };
  for (let run = 0; run < CASES; run += 1) {
    const { contentType, body } = next();
    const reading = await agree(contentType, body);
    if (reading === 'refused') seen.refused += 1;
    else if (reading.length === 0) seen.empty += 1;
    else for (const [kind] of reading) seen[kind] += 1;
  }
  Error.stackTraceLimit = stackTraceLimit;
  // The generator makes something of everything.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(CASES / 20);
}, 120_000);
