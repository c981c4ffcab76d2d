import { describe, expect, test } from '@jest/globals';
import { modelIn, targetQuery, withModel, withoutCredentials } from '../../../../lib/http/query.ts';

describe('credentials', () => {
  test.each([
    ['', ''],
    ['beta=true', 'beta=true'],
    ['key=k', ''],
    ['key', ''],
    ['a=1&key=k&b=2', 'a=1&b=2'],
    ['KEY=k&Api_Key=k&api-key=k&apikey=k&access_token=k', ''],
    ['%6bey=k&api%5Fkey=k', ''],
    ['monkey=k&keys=k&key1=k&a=key', 'monkey=k&keys=k&key1=k&a=key'],
    ['a&&b=%zz&%6by%zz=k', 'a&&b=%zz&%6by%zz=k'],
  ])('%j leaves %j', (query, left) => expect(withoutCredentials(query)).toBe(left));
});

describe('the model', () => {
  test.each([
    ['', undefined],
    ['model=', undefined],
    ['model', undefined],
    ['mode=a&models=b', undefined],
    ['model=a', 'a'],
    ['x=1&model=Qwen%2FQwen3+8B&model=b', 'Qwen/Qwen3 8B'],
    ['m%6fdel=a', 'a'],
    ['model=&model=b', undefined],
    ['model=a=b', 'a=b'],
    ['model=%zz', '%zz'],
  ])('of %j is %j', (query, model) => expect(modelIn(query)).toBe(model));

  test('replaced wherever it stands, and nothing else', () => {
    expect(withModel('a=%2f&model=x&m%6fdel=y&models=z', 'Qwen/3 &')).toBe(
      'a=%2f&model=Qwen%2F3%20%26&model=Qwen%2F3%20%26&models=z',
    );
  });
});

test('a request target holds nothing that breaks its line', () => {
  expect(targetQuery('')).toBe('');
  expect(targetQuery('a=%2F+"b"')).toBe('?a=%2F+"b"');
  expect(targetQuery('a= b\r\nHost: x#ü')).toBe('?a=%20b%0D%0AHost:%20x%23%C3%BC');
});
