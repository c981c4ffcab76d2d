import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import type { ImageInput } from '../engines/procedural-image.ts';
import { ApiError } from '../http/api-error.ts';
import { parseFields, readJson } from '../http/body.ts';
import { type Exchange, sendBytes, sendJson } from '../http/exchange.ts';
import { readForm } from '../http/multipart.ts';
import type { Route } from '../http/route.ts';
import type { ImageStore } from '../images/store.ts';
import { model } from './text-fields.ts';

const MIN_SIDE = 16;
const MAX_SIDE = 1024;

const size = v.pipe(
  v.nullish(v.pipe(v.string('expected a string'), v.regex(/^(\d{1,5}x\d{1,5}|auto|)$/, 'expected WIDTHxHEIGHT')), ''),
  v.transform((value) => {
    const [width = 0, height = 0] = value.includes('x') ? value.split('x').map(Number) : [512, 512];
    return { width, height };
  }),
  v.check(
    ({ width, height }) => Math.min(width, height) >= MIN_SIDE && Math.max(width, height) <= MAX_SIDE,
    `expected sides of ${MIN_SIDE} to ${MAX_SIDE} pixels`,
  ),
);

const prompt = v.pipe(v.string('expected a string'), v.nonEmpty('expected a prompt, got an empty string'));
const format = v.nullish(v.picklist(['url', 'b64_json'], "expected 'url' or 'b64_json'"), 'url');

const amount = v.pipe(
  v.number('expected a number'),
  v.integer('expected a whole number'),
  v.minValue(1, 'expected 1 or more'),
  v.maxValue(8, 'expected 8 at most'),
);

const GenerationBody = v.object({ model, prompt, n: v.nullish(amount, 1), size, response_format: format });

const Fields = v.object({
  model,
  prompt,
  n: v.optional(v.pipe(v.string(), v.transform(Number), amount), '1'),
  response_format: format,
});

interface Wish {
  readonly model?: string | null;
  readonly n: number;
  readonly response_format: 'url' | 'b64_json';
}

/** The address as the client knows it, as LocalAI builds it. */
const baseUrl = ({ request: { headers } }: Exchange) => {
  const first = (value: string | string[] | undefined) =>
    String(value ?? '')
      .split(',')[0]
      ?.trim();
  const host = first(headers['x-forwarded-host']) || headers.host;
  return `${first(headers['x-forwarded-proto']) || 'http'}://${host}${first(headers['x-forwarded-prefix'])}`;
};

const answer = async (
  exchange: Exchange,
  engines: Engines,
  store: ImageStore,
  wish: Wish,
  input: Omit<ImageInput, 'index'>,
) => {
  const { engine } = engines.select('image', wish.model ?? undefined);
  const data: object[] = [];
  for (let index = 0; index < wish.n; index++) {
    for await (const png of engine.run({ ...input, index }, exchange.signal)) {
      if (wish.response_format === 'b64_json') data.push({ b64_json: Buffer.from(png).toString('base64') });
      else data.push({ url: `${baseUrl(exchange)}/generated-images/${store.put(png)}` });
    }
  }
  const usage = { input_tokens: 0, output_tokens: 0, total_tokens: 0 };
  sendJson(exchange, { id: randomUUID(), created: Math.floor(Date.now() / 1000), data, usage });
};

const repaint = async (exchange: Exchange, engines: Engines, store: ImageStore, where: 'white' | 'transparent') => {
  const { fields, files } = await readForm(exchange.request);
  const wish = parseFields(Fields, fields);
  const { image, mask } = files;
  if (!image) throw new ApiError(400, "'image': expected a PNG file.", { param: 'image' });
  if (!mask && where === 'white')
    throw new ApiError(400, "'mask': expected a PNG file, white where to repaint.", { param: 'mask' });
  await answer(exchange, engines, store, wish, {
    prompt: wish.prompt,
    width: 0,
    height: 0,
    repaint: { image, mask, where },
  });
};

/** Pictures: made, repainted where a mask is white (LocalAI's inpainting) or transparent (OpenAI's edits), and served. */
export const createImageRoutes = (engines: Engines, store: ImageStore): Route[] => [
  {
    method: 'POST',
    paths: ['/v1/images/generations', '/images/generations'],
    dialect: 'openai',
    async handle(exchange) {
      const { prompt, size, ...wish } = await readJson(exchange.request, GenerationBody);
      await answer(exchange, engines, store, wish, { prompt, ...size });
    },
  },
  {
    method: 'POST',
    paths: ['/v1/images/inpainting', '/images/inpainting'],
    dialect: 'openai',
    handle: (exchange) => repaint(exchange, engines, store, 'white'),
  },
  {
    method: 'POST',
    paths: ['/v1/images/edits', '/images/edits'],
    dialect: 'openai',
    handle: (exchange) => repaint(exchange, engines, store, 'transparent'),
  },
  {
    method: 'GET',
    paths: ['/generated-images/{name}'],
    dialect: 'openai',
    handle(exchange) {
      const png = store.get(exchange.params.name ?? '');
      if (!png) throw new ApiError(404, 'There is no such picture, or no longer.');
      sendBytes(exchange, 'image/png', png);
    },
  },
];
