import { describe, expect, test } from '@jest/globals';
import { AnswerTooLargeError, UpstreamError } from '../../../../lib/errors.ts';
import { type FetchImage, type InlineOptions, inlineImages } from '../../../../lib/inference/inline-images.ts';

/** docs/contract.md section 2, "Images": the only rewriting of a body. */
const worker = 'http://10.0.1.7:8080';
const gateway = 'https://gateway.test';

const inline = async (answer: unknown, more: Partial<InlineOptions> = {}) => {
  const asked: string[] = [];
  const allowed: number[] = [];
  const fetchImage: FetchImage = async (path, maxBytes) => {
    asked.push(path);
    allowed.push(maxBytes);
    return { content: Buffer.from(`image of ${path}`), contentType: 'image/png' };
  };
  const bytes = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
  const pieces = await inlineImages(bytes, { origins: [worker, gateway], fetchImage, ...more });
  const result = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  return { asked, allowed, bytes, pieces, result, json: () => JSON.parse(result.toString()) };
};
const base64 = (path: string) => Buffer.from(`image of ${path}`).toString('base64');

test.each([
  ["the worker's own origin", `${worker}/generated-images/a.png?x=1`],
  ['the host the gateway told it', `${gateway}/generated-images/a.png?x=1`],
  ['a path', '/generated-images/a.png?x=1'],
])('a URL on %s is fetched from that worker and inlined', async (_, url) => {
  const { asked, json } = await inline({ created: 1, data: [{ url, revised_prompt: 'p' }], usage: {} });
  const path = '/generated-images/a.png?x=1';
  expect(asked).toEqual([path]);
  expect(json()).toEqual({ created: 1, data: [{ revised_prompt: 'p', b64_json: base64(path) }], usage: {} });
});

test('several, mixed with others, keep their order', async () => {
  const data = [{ url: '/a.png' }, { b64_json: 'eA==' }, { url: 'https://cdn.test/b.png' }, { url: '/c.png' }];
  const { json, asked } = await inline({ data });
  expect(json().data).toEqual([{ b64_json: base64('/a.png') }, data[1], data[2], { b64_json: base64('/c.png') }]);
  expect(asked).toEqual(['/a.png', '/c.png']);
});

describe('what has no such URL keeps its bytes, and nobody is asked', () => {
  test.each([
    '{"data": [ {"b64_json":"eA=="} ], "created": 1.0}',
    '{"data":[{"url":"https://cdn.test/a.png"}]}',
    '{"data":[{"url":"http://10.0.1.8:8080/a.png"}]}',
    '{"data":[{"url":"https://10.0.1.7:8080/a.png"}]}',
    '{"data":[{"url":"data:image/png;base64,eA=="}]}',
    '{"data":[{"url":7},null,"url",{"url":"http://["}]}',
    '{"data":"url"}',
    '{"url":"/a.png"}',
    '{"data":[{"b64_json":"AAAA","url":""}]}',
    '{"data":[{"b64_json":"AAAA","url":"/a.png"}]}',
    '{"data":[{"b64_json":"AAAA","url":"http://10.0.1.7:8080/a.png"}]}',
    '{"data":[{"url":""},{"url":" "}]}',
    `{"data":[{"url":"/a.png","x":"${'x'.repeat(65 * 1024 * 1024)}"}]}`,
    '{"data":[{"url":',
    'not JSON, "url"',
    '',
  ])('%.80s', async (text) => {
    const { result, bytes, asked } = await inline(text);
    expect([result.equals(bytes), asked]).toEqual([true, []]);
  });
});

test('an image the worker does not give is a 502', async () => {
  const fetchImage: FetchImage = async () => undefined;
  await expect(inline({ data: [{ url: '/a.png' }] }, { fetchImage })).rejects.toBeInstanceOf(UpstreamError);
});

describe('with a place to put images', () => {
  test('the client gets its URL', async () => {
    const store = async () => 'https://bucket.test/x';
    const { json } = await inline({ data: [{ url: '/a.png', revised_prompt: 'p' }] }, { store });
    expect(json().data).toEqual([{ url: 'https://bucket.test/x', revised_prompt: 'p' }]);
  });

  test('that fails, the image itself', async () => {
    const { json } = await inline({ data: [{ url: '/a.png' }] }, { store: async () => undefined });
    expect(json().data).toEqual([{ b64_json: base64('/a.png') }]);
  });
});

describe('what fits into memory', () => {
  const MB = 1024 * 1024;
  const images = (count: number) => ({ data: Array.from({ length: count }, (_, at) => ({ url: `/${at}.png` })) });
  const of =
    (bytes: number): FetchImage =>
    async (_, maxBytes) =>
      bytes > maxBytes ? 'too large' : { content: Buffer.alloc(bytes, 'pixels'), contentType: 'image/png' };

  test('one image at a time, and each picture is encoded once', async () => {
    let atOnce = 0;
    let most = 0;
    const content = Buffer.alloc(2 * MB + 1, 'pixels');
    const fetchImage: FetchImage = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise(setImmediate);
      atOnce -= 1;
      return { content, contentType: 'image/png' };
    };
    const { json, pieces } = await inline(images(5), { fetchImage });
    expect(most).toBe(1);
    expect(json().data).toEqual(Array.from({ length: 5 }, () => ({ b64_json: content.toString('base64') })));
    expect(pieces.length).toBe(11);
  });

  test.each<[string, number, number]>([
    ['three of 50 MB', 3, 50 * MB],
    ['one of 65 MB', 1, 65 * MB],
    ['a thousand of one byte', 1000, 1],
  ])('%s: refused in words that help, and no client tries it again', async (_, count, bytes) => {
    const refused = inline(images(count), { fetchImage: of(bytes) });
    await expect(refused).rejects.toBeInstanceOf(AnswerTooLargeError);
    await expect(refused).rejects.toMatchObject({ status: 502, headers: { 'x-should-retry': 'false' } });
    await expect(refused).rejects.toThrow(/fewer/);
  });

  test('what is stored elsewhere takes no room here', async () => {
    const store = async () => 'https://bucket.test/x';
    const { json } = await inline(images(4), { fetchImage: of(50 * MB), store });
    expect(json().data).toHaveLength(4);
  });

  test('what stands beside a picture stays as it is', async () => {
    const { json } = await inline({ data: [{ url: '/a.png', revised_prompt: '$& $1 \u2028' }, { b64_json: 'AAAA' }] });
    expect(json().data).toEqual([{ revised_prompt: '$& $1 \u2028', b64_json: base64('/a.png') }, { b64_json: 'AAAA' }]);
  });
});
