import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InvalidRequestError } from '../../../../lib/errors.ts';
import { parseForm } from '../../../../lib/http/form.ts';
import { readFields, withFields } from '../../../../lib/http/form-fields.ts';

interface Part {
  readonly name: string;
  readonly filename: string | undefined;
  readonly value: Uint8Array;
  readonly typeFirst: boolean;
  readonly isQuoted: boolean;
}

interface Form {
  readonly contentType: string;
  readonly body: Buffer;
  readonly parts: readonly Part[];
  /** Where each part's value stands in the body. */
  readonly values: readonly { readonly start: number; readonly end: number }[];
}

const boundary = fc.stringMatching(/^[A-Za-z0-9'()+_,./:=?-]{1,40}$/);

const name = fc.constantFrom('model', 'file', 'prompt', 'stream', 'xmodel', 'model2', 'Model', 'data[model]');
/** File names that talk like headers. */
const filename = fc.oneof(
  fc.stringMatching(/^[a-z0-9 .;=-]{1,20}$/),
  fc.constantFrom('a; name=model', 'a; name=model.wav', "a'; name='model'", 'name=model', '; name=model;', 'größe.wav'),
);
const text = fc.string({ unit: 'grapheme', maxLength: 30 }).map((value) => new TextEncoder().encode(value));

const part = (mark: string): fc.Arbitrary<Part> => {
  const nearDelimiter = fc
    .constantFrom(
      '\r\n',
      '--',
      `--${mark.slice(0, -1)}`,
      `\r\n--${mark.slice(0, -1)}`,
      '\n',
      '\r',
      'name="model"\r\n\r\nx',
    )
    .map((value) => new TextEncoder().encode(value));
  const bytes = fc
    .array(fc.oneof(fc.uint8Array({ maxLength: 40 }), nearDelimiter), { maxLength: 5 })
    .map((all) => new Uint8Array(Buffer.concat(all)));
  const common = { name, typeFirst: fc.boolean(), isQuoted: fc.boolean() };
  return fc.oneof(
    fc.record({ ...common, filename: fc.constant(undefined), value: text }),
    fc.record({ ...common, filename, value: bytes }),
  );
};

const parameter = (key: string, value: string, isQuoted: boolean) =>
  isQuoted || !/^[\w.-]+$/.test(value) ? `${key}="${value}"` : `${key}=${value}`;

const build = (mark: string, parts: readonly Part[], isQuoted: boolean, preamble: string, epilogue: string): Form => {
  const pieces: Buffer[] = [Buffer.from(preamble)];
  const values: { start: number; end: number }[] = [];
  const length = () => pieces.reduce((sum, piece) => sum + piece.length, 0);
  for (const one of parts) {
    const disposition = [
      'Content-Disposition: form-data',
      parameter('name', one.name, one.isQuoted),
      ...(one.filename === undefined ? [] : [parameter('filename', one.filename, true)]),
    ].join('; ');
    const type = one.filename === undefined ? 'Content-Type: text/plain' : 'Content-Type: audio/wav';
    const head = one.typeFirst ? [type, disposition] : [disposition, type];
    pieces.push(Buffer.from(`--${mark}\r\n${head.join('\r\n')}\r\n\r\n`));
    const start = length();
    pieces.push(Buffer.from(one.value));
    values.push({ start, end: length() });
    pieces.push(Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`--${mark}--\r\n${epilogue}`));
  const mustQuote = isQuoted || !/^[\w.+-]+$/.test(mark);
  return {
    contentType: `multipart/form-data; ${parameter('boundary', mark, mustQuote)}`,
    body: Buffer.concat(pieces),
    parts,
    values,
  };
};

const form: fc.Arbitrary<Form> = boundary.chain((mark) =>
  fc
    .tuple(
      fc.constant(mark),
      fc.array(part(mark), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      fc.constantFrom('', 'This is a multi-part message.\r\n'),
      fc.constantFrom('', 'Bye.\r\n'),
    )
    // The standard promises that no value holds the delimiter.
    .filter(([, parts]) => parts.every(({ value }) => !Buffer.from(value).includes(`--${mark}`)))
    .map((given) => build(...given)),
);

const fieldsOf = (contentType: string, body: Buffer | string) =>
  readFields(parseForm(contentType, Buffer.from(body as string)));

describe('the fields of a form', () => {
  test('are the first value of each, wherever it stands', () => {
    fc.assert(
      fc.property(form, ({ contentType, body, parts }) => {
        const expected: Record<string, string> = {};
        for (const one of parts) {
          expected[one.name] ??= one.filename === undefined ? Buffer.from(one.value).toString() : '';
        }
        expect({ ...fieldsOf(contentType, body) }).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('cut anywhere before its closing line: it cannot be parsed', () => {
    fc.assert(
      fc.property(form, fc.nat(), ({ contentType, body, values }, place) => {
        const close = (values.at(-1)?.end ?? 0) + 2;
        const cut = body.subarray(0, place % close);
        expect(() => parseForm(contentType, cut)).toThrow(InvalidRequestError);
      }),
    );
  });

  test.each([
    ['no boundary', 'multipart/form-data', '--x\r\n'],
    [
      'another boundary',
      'multipart/form-data; boundary=y',
      '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
    ],
    ['no body', 'multipart/form-data; boundary=x', ''],
    ['not a form', 'multipart/form-data; boundary=x', '{"model":"m"}'],
  ])('%s: it cannot be parsed', (_, contentType, body) => {
    expect(() => parseForm(contentType, Buffer.from(body))).toThrow(InvalidRequestError);
  });

  test('a field named like a property of every object is a field', () => {
    const body = '--x\r\ncontent-disposition: form-data; name="__proto__"\r\n\r\n1\r\n--x--\r\n';
    const fields = fieldsOf('multipart/form-data; boundary=x', body);
    expect(Object.entries(fields)).toEqual([['__proto__', '1']]);
    expect(fields.model).toBeUndefined();
  });
});

describe('replacing a field', () => {
  const replaced = (body: string, values: Record<string, string> = { model: 'real' }) =>
    withFields(parseForm('multipart/form-data; boundary=x', Buffer.from(body)), values).toString();

  test('touches its value and no other byte', async () => {
    await fc.assert(
      fc.asyncProperty(form, fc.string({ maxLength: 30 }), async ({ contentType, body, parts, values }, value) => {
        const at = parts.findIndex((one) => one.name === 'model');
        fc.pre(at !== -1 && parts[at]?.filename === undefined);
        const { start, end } = values[at] as { start: number; end: number };
        // Others that say the same are the next test's.
        fc.pre(parts.filter((one) => one.name === 'model').length === 1);
        const changed = withFields(parseForm(contentType, body), { model: value });
        const expected = Buffer.concat([body.subarray(0, start), Buffer.from(value), body.subarray(end)]);
        expect(changed.toString('latin1')).toBe(expected.toString('latin1'));
      }),
      { numRuns: 500 },
    );
  });

  test('a file whose name talks like a field is left alone', () => {
    const file = 'content-disposition: form-data; name="file"; filename="a; name=model"\r\n\r\nRIFF';
    const model = (value: string) => `content-disposition: form-data; name="model"\r\n\r\n${value}`;
    const body = (value: string) => `--x\r\n${file}\r\n--x\r\n${model(value)}\r\n--x--\r\n`;
    expect(replaced(body('alias'))).toBe(body('real'));
  });

  test('a quote inside a file name ends nothing', () => {
    const file = 'content-disposition: form-data; name="file"; filename="a\\"; name=\\"model"\r\n\r\nRIFF';
    const model = (value: string) => `content-disposition: form-data; name="model"\r\n\r\n${value}`;
    const body = (value: string) => `--x\r\n${file}\r\n--x\r\n${model(value)}\r\n--x--\r\n`;
    expect(replaced(body('alias'))).toBe(body('real'));
  });

  test('the file name may come before the name', () => {
    const body = (value: string) =>
      `--x\r\ncontent-disposition: form-data; filename="f"; name="file"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data;name=model\r\n\r\n${value}\r\n--x--\r\n`;
    expect(replaced(body('alias'))).toBe(body('real'));
  });

  const part = (name: string, value: string, more = '') =>
    `--x\r\nContent-Disposition: form-data; name="${name}"\r\n${more}\r\n${value}\r\n`;

  test('twice with the same value: twice; with another one, the first', () => {
    const body = (...models: string[]) => `${models.map((model) => part('model', model)).join('')}--x--`;
    expect(replaced(body('alias', 'alias', 'other'))).toBe(body('real', 'real', 'other'));
  });

  test('in the encoding it was sent in', () => {
    const latin = 'Content-Type: text/plain; charset=latin1\r\n';
    const body = Buffer.from(`${part('model', 'alias', latin)}--x--`);
    const changed = withFields(parseForm('multipart/form-data; boundary=x', body), { model: 'ü' });
    expect(changed.toString('latin1')).toBe(`${part('model', 'ü', latin)}--x--`);
  });

  test('that is not there: it stands in front, and every parser finds it', async () => {
    for (const body of [`${part('a', '1')}--x--`, '--x--', `preamble\r\n${part('a', '1')}--x--\r\nepilogue`]) {
      const changed = replaced(body, { model: 'm' });
      const contentType = 'multipart/form-data; boundary=x';
      expect(fieldsOf(contentType, changed)).toMatchObject({ ...fieldsOf(contentType, body), model: 'm' });
      expect(changed.replace(part('model', 'm'), '')).toBe(body);
    }
  });

  test('a file of its name is none', () => {
    const file = '--x\r\nContent-Disposition: form-data; name="model"; filename="model"\r\n\r\nx\r\n';
    expect(replaced(`${file}--x--`)).toBe(`${part('model', 'real')}${file}--x--`);
  });
});

describe('time grows with the length of a form and nothing else', () => {
  test.each<[string, (count: number) => string]>([
    ['empty parts', (count) => `${'--x\r\n\r\n'.repeat(count)}--x--`],
    ['parts without an end to their header', (count) => `${'--x\r\na: b\r\n'.repeat(count)}--x--`],
    [
      'fields',
      (count) =>
        `${Array.from({ length: count }, (_, at) => `--x\r\nContent-Disposition: form-data; name=f${at}\r\n\r\nx\r\n`).join('')}--x--`,
    ],
    ['models', (count) => `${'--x\r\nContent-Disposition: form-data; name=model\r\n\r\nalias\r\n'.repeat(count)}--x--`],
    ['dashes', (count) => `--x\r\n${'-'.repeat(count * 12)}\r\n--x--`],
    ['almost delimiters', (count) => `--x\r\n\r\n${'\r\n--'.repeat(count * 3)}\r\n--x--`],
    [
      'quotes and backslashes',
      (count) => `--x\r\nContent-Disposition: form-data; ${'\\";"'.repeat(count)}\r\n\r\n\r\n--x--`,
    ],
  ])('%s', (_, make) => {
    const body = Buffer.from(make(32_000));
    const startedAt = process.cpuUsage();
    const form = parseForm('multipart/form-data; boundary=x', body);
    readFields(form);
    withFields(form, { model: 'real' });
    const { user, system } = process.cpuUsage(startedAt);
    // About a quarter second; a search to the end of the body for each part would take that many seconds.
    expect((user + system) / 1e6).toBeLessThan(3);
  });
});
