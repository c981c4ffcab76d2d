import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { replaceFields } from '../../../../lib/http/json-body.ts';

const replaced = (text: string, fields: Record<string, string>) => replaceFields(Buffer.from(text), fields).toString();

describe('setting fields of a JSON body', () => {
  test.each([
    '9007199254740993',
    '-9223372036854775808',
    '18446744073709551615',
    '1.0',
    '1e3',
    '1E+400',
    '-0',
    '-0.0',
    '0.10000000000000000055511151231257827',
    '1e-7',
  ])('keeps the number %s as it was written', (number) => {
    expect(replaced(`{"model":"a","seed":${number},"n":[${number},{"x":${number}}]}`, { model: 'b' })).toBe(
      `{"model":"b","seed":${number},"n":[${number},{"x":${number}}]}`,
    );
  });

  test('changes nothing else', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        fc.string({ unit: 'binary' }),
        (body, model) => {
          const expected = { ...body, model };
          expect(JSON.parse(replaced(JSON.stringify({ model: 'a', ...body }), { model }))).toEqual(
            JSON.parse(JSON.stringify(expected)),
          );
        },
      ),
    );
  });

  test('adds a field that is missing', () => {
    expect(replaced('{"prompt":"x"}', { model: 'b' })).toBe('{"prompt":"x","model":"b"}');
  });

  test('a nested field of the same name stays', () => {
    expect(replaced('{"a":{"model":"in"},"model":"out"}', { model: 'b' })).toBe('{"a":{"model":"in"},"model":"b"}');
  });

  test('__proto__ is a key like any other', () => {
    expect(replaced('{"__proto__":{"a":1},"model":"a"}', { model: 'b' })).toBe('{"__proto__":{"a":1},"model":"b"}');
  });

  test('text that looks like raw JSON stays text', () => {
    expect(replaced('{"prompt":"{\\"rawJSON\\":\\"1\\"}","x":{"rawJSON":"1"}}', { model: 'b' })).toBe(
      '{"prompt":"{\\"rawJSON\\":\\"1\\"}","x":{"rawJSON":"1"},"model":"b"}',
    );
  });
});
