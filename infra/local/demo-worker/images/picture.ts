import { decode } from 'fast-png';

const MAX_SIDE = 2048;

/** 8 bits a channel, four channels, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** The bytes are no picture this code can read. */
export class PictureError extends Error {
  override readonly name = 'PictureError';
}

const sizeOf = (file: Uint8Array) => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
};

/**
 * Reads a PNG of any colour type as RGBA.
 * @throws {PictureError} for other files and for sides over 2048 pixels, before those are unpacked
 */
export const decodeRgba = (file: Uint8Array): Picture => {
  const isPng = file.length > 24 && [0x89, 0x50, 0x4e, 0x47].every((byte, i) => file[i] === byte);
  if (!isPng) throw new PictureError('only PNG pictures can be read here');
  const { width, height } = sizeOf(file);
  if (width > MAX_SIDE || height > MAX_SIDE)
    throw new PictureError(`a picture may be ${MAX_SIDE} pixels wide and high at most`);
  let png: ReturnType<typeof decode>;
  try {
    png = decode(file);
  } catch {
    throw new PictureError('the PNG is damaged');
  }
  const { data, channels, depth, palette } = png;
  const rgba = new Uint8Array(width * height * 4);
  const bitsPerRow = Math.ceil((width * channels * depth) / 8) * 8;
  const sample = (x: number, y: number, c: number): number => {
    if (depth >= 8) return data[(y * width + x) * channels + c] ?? 0;
    const bit = y * bitsPerRow + (x * channels + c) * depth;
    return ((data[bit >> 3] ?? 0) >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      const level = (c: number) => Math.round((sample(x, y, c) * 255) / (2 ** depth - 1));
      if (palette) rgba.set([...(palette[sample(x, y, 0)] ?? []), 255].slice(0, 4), at);
      else if (channels >= 3) rgba.set([level(0), level(1), level(2), channels === 4 ? level(3) : 255], at);
      else rgba.set([level(0), level(0), level(0), channels === 2 ? level(1) : 255], at);
    }
  }
  return { width, height, rgba };
};
