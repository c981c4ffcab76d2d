import { describe, expect, test } from '@jest/globals';
import { UpstreamError } from '../../../../lib/errors.ts';
import { type FetchImage, type InlineOptions, inlineImages } from '../../../../lib/inference/inline-images.ts';

/** CONTRACT.md section 2, "Images": the only rewriting of a body. */
const worker = 'http://10.0.1.7:8080';
const gateway = 'https://gateway.test';

const inline = async (answer: unknown, more: Partial<InlineOptions> = {}) => {
  const asked: string[] = [];
  const fetchImage: FetchImage = async (path) => {
    asked.push(path);
    return { content: Buffer.from(`image of ${path}`), contentType: 'image/png' };
  };
  const bytes = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
  const result = await inlineImages(bytes, { origins: [worker, gateway], fetchImage, ...more });
  return { asked, bytes, result, json: () => JSON.parse(result.toString()) };
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
    '{"data":[{"url":',
    'not JSON, "url"',
    '',
  ])('%s', async (text) => {
    const { result, bytes, asked } = await inline(text);
    expect([result, asked]).toEqual([bytes, []]);
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
