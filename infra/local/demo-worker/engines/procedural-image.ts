import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { encode } from 'fast-png';
import { decodeRgba, type Picture, PictureError } from '../images/picture.ts';
import { createRandom, type Random } from '../random.ts';
import { EngineInputError, type LoadEngine } from './engine.ts';

const HIDDEN = 16;
const ROWS_AT_A_TIME = 32;

export interface ImageInput {
  /** With the prompt the seed: which of several pictures of one prompt. */
  readonly index: number;
  readonly prompt: string;
  /** Pixels; not read when there is a picture to repaint. */
  readonly width: number;
  readonly height: number;
  /** A PNG to repaint: where the mask, a PNG too, is white or (as OpenAI has it) transparent. */
  readonly repaint?: {
    readonly image: Uint8Array;
    readonly mask?: Uint8Array;
    readonly where: 'white' | 'transparent';
  };
}

/** A PNG file. */
export type ImageOutput = Uint8Array;

/** One layer of weights, drawn from a normal distribution (Box-Muller). */
const layer = (inputs: number, outputs: number, scale: number, random: Random): Float64Array =>
  Float64Array.from({ length: inputs * outputs }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return radius * Math.cos(2 * Math.PI * random()) * scale;
  });

const apply = (weights: Float64Array, input: Float64Array, output: Float64Array, activate: (x: number) => number) => {
  for (let o = 0; o < output.length; o++) {
    let sum = 0;
    for (let i = 0; i < input.length; i++) sum += (weights[o * input.length + i] as number) * (input[i] as number);
    output[o] = activate(sum);
  }
};

/**
 * A compositional pattern-producing network (Stanley 2007): colour as a function of place, its weights drawn from the
 * prompt's hash. It has learned nothing and draws nothing the prompt names; the same prompt gives the same picture.
 */
const createPainter = (prompt: string, index: number) => {
  const random = createRandom(createHash('sha256').update(`${index}\n${prompt}`).digest().readUInt32LE(0));
  const first = layer(5, HIDDEN, 1.6, random);
  const second = layer(HIDDEN, HIDDEN, 0.7, random);
  const third = layer(HIDDEN, 3, 0.8, random);
  const place = new Float64Array(5);
  const hidden = new Float64Array(HIDDEN);
  const deeper = new Float64Array(HIDDEN);
  const colour = new Float64Array(3);
  /** Colour in [0, 1] at a place in [-1, 1]. */
  return (x: number, y: number): Float64Array => {
    const radius = Math.hypot(x, y);
    place[0] = x;
    place[1] = y;
    place[2] = radius;
    place[3] = Math.sin(3 * radius);
    place[4] = 1;
    apply(first, place, hidden, Math.tanh);
    apply(second, hidden, deeper, Math.sin);
    apply(third, deeper, colour, (sum) => 1 / (1 + Math.exp(-2 * sum)));
    return colour;
  };
};

const read = (file: Uint8Array, name: string): Picture => {
  try {
    return decodeRgba(file);
  } catch (error) {
    throw error instanceof PictureError ? new EngineInputError(`'${name}': ${error.message}`) : error;
  }
};

/** How much of a pixel is repainted, in [0, 1]. */
type Coverage = (x: number, y: number) => number;

const isOpaque = ({ rgba }: Picture) => rgba.every((value, i) => i % 4 !== 3 || value === 255);

/**
 * White or transparent, as asked; a mask without any transparency counts as white. Without a mask the picture's own
 * transparent parts count, and one that has none is repainted half through, everywhere.
 */
const coverageOf = ({ mask, where }: NonNullable<ImageInput['repaint']>, picture: Picture): Coverage => {
  const source = mask ? read(mask, 'mask') : picture;
  const opaque = isOpaque(source);
  if (!mask && opaque) return () => 0.5;
  const byWhite = mask !== undefined && (where === 'white' || opaque);
  return (x, y) => {
    const column = Math.floor((x * source.width) / picture.width);
    const row = Math.floor((y * source.height) / picture.height);
    const value = (source.rgba[(row * source.width + column) * 4 + (byWhite ? 0 : 3)] ?? 0) / 255;
    return byWhite ? value : 1 - value;
  };
};

const load: LoadEngine<ImageInput, ImageOutput> = async () =>
  async function* ({ prompt, index, repaint, ...size }, signal) {
    const paint = createPainter(prompt, index);
    const old = repaint && read(repaint.image, 'image');
    const coverage: Coverage = repaint && old ? coverageOf(repaint, old) : () => 1;
    const { width, height } = old ?? size;
    const data = new Uint8Array(width * height * 3);
    const scale = 2 / Math.max(width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const share = coverage(x, y);
        const colour = share > 0 ? paint((x - width / 2) * scale, (y - height / 2) * scale) : undefined;
        for (let c = 0; c < 3; c++) {
          const before = old?.rgba[(y * width + x) * 4 + c] ?? 0;
          data[(y * width + x) * 3 + c] = Math.round(before * (1 - share) + (colour?.[c] ?? 0) * 255 * share);
        }
      }
      if (y % ROWS_AT_A_TIME !== 0) continue;
      await breathe();
      signal.throwIfAborted();
    }
    yield encode({ width, height, data, channels: 3, depth: 8 });
  };

export default load;
