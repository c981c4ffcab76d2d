import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Demo, startDemo } from './demo.ts';

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo();
});
afterAll(() => demo.close());

/** Reads a PNG with nothing but zlib: width, height, and RGB rows with the filter undone. */
const decodePng = (png: Buffer) => {
  expect(png.toString('latin1', 1, 4)).toBe('PNG');
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  expect([png[24], png[25]]).toEqual([8, 2]);
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const size = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + size));
  }
  const raw = inflateSync(Buffer.concat(parts));
  expect(raw).toHaveLength(height * (1 + width * 3));
  const filters = new Set(Array.from({ length: height }, (_, y) => raw[y * (1 + width * 3)]));
  expect([...filters]).toEqual([0]);
  return {
    width,
    height,
    pixel: (x: number, y: number) => [...raw.subarray(y * (1 + width * 3) + 1 + x * 3).subarray(0, 3)],
  };
};

const draw = async (body: object) => {
  const { data } = await demo.json('/v1/images/generations', { response_format: 'b64_json', size: '64x48', ...body });
  return data.map(({ b64_json }: { b64_json: string }) => Buffer.from(b64_json, 'base64')) as Buffer[];
};

const chunk = (name: string, data: Buffer) => {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
};

/** Writes a PNG with nothing but zlib. */
const encodePng = (
  width: number,
  height: number,
  colour: 'grey' | 'rgba',
  pixel: (x: number, y: number) => number[],
) => {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, colour === 'grey' ? 0 : 6], 8);
  const columns = Array.from({ length: width }, (_, x) => x);
  const rows = Array.from({ length: height }, (_, y) => [0, ...columns.flatMap((x) => pixel(x, y))]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(Buffer.from(rows.flat()));
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
};

const form = (files: Record<string, Uint8Array>, fields: Record<string, string>) => {
  const body = new FormData();
  for (const [name, file] of Object.entries(files)) body.append(name, new Blob([new Uint8Array(file)]), `${name}.png`);
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return body;
};

describe('pictures', () => {
  test('are PNGs of the asked size, the same for the same prompt', async () => {
    const [[sea], [again], [sky]] = await Promise.all([
      draw({ prompt: 'sea' }),
      draw({ prompt: 'sea' }),
      draw({ prompt: 'sky' }),
    ]);
    const { width, height, pixel } = decodePng(sea as Buffer);
    expect([width, height]).toEqual([64, 48]);
    expect(new Set([pixel(0, 0), pixel(32, 24), pixel(63, 47)].map(String)).size).toBe(3);
    expect(again).toEqual(sea);
    expect(sky).not.toEqual(sea);
  });

  test('n gives different ones', async () => {
    const [first, second] = await draw({ prompt: 'sea', n: 2 });
    expect(second).not.toEqual(first);
  });

  test('come as a URL of this server by default', async () => {
    const { data } = await demo.json('/v1/images/generations', { prompt: 'sea', size: '32x32' });
    expect(data[0].url).toMatch(new RegExp(`^${demo.url}/generated-images/.+\\.png$`));
    const response = await fetch(data[0].url);
    expect(response.headers.get('content-type')).toBe('image/png');
    expect(decodePng(Buffer.from(await response.arrayBuffer())).width).toBe(32);
  });

  test('a bad size or format is refused', async () => {
    expect((await demo.post('/v1/images/generations', { prompt: 'x', size: '9000x9000' })).status).toBe(400);
    expect((await demo.post('/v1/images/generations', { prompt: 'x', size: 'big' })).status).toBe(400);
    expect((await demo.post('/v1/images/generations', { prompt: 'x', response_format: 'gif' })).status).toBe(400);
  });
});

describe('repainting', () => {
  const image = encodePng(32, 32, 'grey', () => [100]);
  const old = [100, 100, 100];
  const repainted = async (path: string, files: Record<string, Uint8Array>) => {
    const { data } = await demo.json(path, form(files, { prompt: 'sea', response_format: 'b64_json' }));
    return decodePng(Buffer.from(data[0].b64_json, 'base64'));
  };

  test('inpainting changes what the mask has white, and nothing else', async () => {
    const mask = encodePng(16, 16, 'grey', (x) => [x < 8 ? 0 : 255]);
    const { pixel } = await repainted('/v1/images/inpainting', { image, mask });
    for (let y = 0; y < 32; y++) expect(pixel(10, y)).toEqual(old);
    expect(Array.from({ length: 32 }, (_, y) => pixel(24, y))).not.toContainEqual(old);
  });

  test('edits change what the mask has transparent', async () => {
    const mask = encodePng(32, 32, 'rgba', (x) => [255, 255, 255, x < 16 ? 0 : 255]);
    const { pixel } = await repainted('/v1/images/edits', { image, mask });
    expect(pixel(24, 5)).toEqual(old);
    expect(pixel(5, 5)).not.toEqual(old);
  });

  test('what is no PNG, and inpainting without a mask, are refused', async () => {
    const junk = form({ image: Buffer.from('junk'), mask: image }, { prompt: 'sea' });
    expect((await demo.post('/v1/images/inpainting', junk)).status).toBe(400);
    expect((await demo.post('/v1/images/inpainting', form({ image }, { prompt: 'sea' }))).status).toBe(400);
    expect((await demo.post('/v1/images/edits', { prompt: 'sea' })).status).toBe(415);
  });
});
