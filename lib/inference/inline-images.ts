import { AnswerTooLargeError, UpstreamError } from '../errors.ts';
import { readJson } from '../json.ts';

/** An image a worker made. */
export interface Image {
  readonly content: Buffer;
  readonly contentType: string;
}

/**
 * One image a worker made, fetched from it.
 * @param maxBytes a longer one is not read.
 */
export type FetchImage = (path: string, maxBytes: number) => Promise<Image | 'too large' | undefined>;

export interface InlineOptions {
  /** Origins under which the worker knows itself: its own, and the one the gateway told it in `x-forwarded-host`. */
  readonly origins: readonly string[];
  /** GET on that worker and no other; `undefined` when it does not give the image. Redirects are not followed. */
  readonly fetchImage: FetchImage;
  /**
   * Where the client is to get URLs: puts an image where it can be opened. @returns its URL; `undefined` when that
   * failed, and the image is inlined after all.
   */
  readonly store?: ((image: Image) => Promise<string | undefined>) | undefined;
}

type Entry = Readonly<Record<string, unknown>>;

/** No API makes more in one request. */
const MOST_IMAGES = 100;
/** A 4K image as PNG, and then some. */
const IMAGE_BYTES = 64 * 1024 * 1024;
/** Of all that are inlined: with the longest image on its way, half of the function's 1024 MB. */
const INLINED_BYTES = 144 * 1024 * 1024;
/** Longer answers are not looked into: their pictures are in them already. */
const LOOKED_INTO_BYTES = 64 * 1024 * 1024;
/** Of an image, encoded at a time; a multiple of three. */
const STEP = 3 * 64 * 1024;

const tooLarge = () =>
  new AnswerTooLargeError(
    'The images are too large to be sent in one answer: ask for fewer at once, or for smaller ones.',
  );

const entriesOf = (answer: unknown): readonly unknown[] =>
  typeof answer === 'object' && answer !== null && 'data' in answer && Array.isArray(answer.data) ? answer.data : [];

/** @returns the path on the worker that an entry names; `undefined` where the URL is not its own, or the picture is there. */
const pathOf = (entry: unknown, origins: readonly string[]): string | undefined => {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { url, b64_json: picture } = entry as Entry;
  const hasPicture = typeof picture === 'string' && picture !== '';
  if (hasPicture || typeof url !== 'string' || url.trim() === '' || url.startsWith('data:')) return undefined;
  const target = URL.parse(url, origins[0]);
  return target && origins.includes(target.origin) ? target.pathname + target.search : undefined;
};

/** As bytes and bit by bit: as one string it would be in memory twice. */
const toBase64 = (content: Buffer): Buffer => {
  const encoded = Buffer.allocUnsafe(4 * Math.ceil(content.length / 3));
  for (let at = 0; at < content.length; at += STEP) {
    encoded.write(content.toString('base64', at, at + STEP), (at / 3) * 4, 'latin1');
  }
  return encoded;
};

/**
 * Puts images in place of URLs that only a worker can open (docs/contract.md 2, "Images"). They are fetched one after the
 * other, so that no more than one is in memory beside those that are encoded.
 *
 * @param bytes the worker's JSON answer, whole.
 * @returns what to send, in pieces; the very bytes where there is no such URL.
 * @throws {UpstreamError} when the worker does not give the image it named, and what `fetchImage` throws.
 * @throws {AnswerTooLargeError} when the images do not fit into memory.
 */
export const inlineImages = async (
  bytes: Buffer,
  { origins, fetchImage, store }: InlineOptions,
): Promise<readonly Buffer[]> => {
  const isLookedInto = bytes.length <= LOOKED_INTO_BYTES && bytes.includes('"url"');
  const answer = isLookedInto ? readJson(bytes.toString()) : undefined;
  const paths = entriesOf(answer).map((entry) => pathOf(entry, origins));
  const count = paths.filter((path) => path !== undefined).length;
  if (count === 0) return [bytes];
  if (count > MOST_IMAGES) throw tooLarge();

  // Stands for each picture while the answer around them is written.
  const mark = process.getBuiltinModule('node:crypto').randomUUID();
  const pictures: Buffer[] = [];
  let left = INLINED_BYTES;
  const data: unknown[] = [];
  for (const [at, entry] of entriesOf(answer).entries()) {
    const path = paths[at];
    if (path === undefined) {
      data.push(entry);
      continue;
    }
    const image = await fetchImage(path, Math.min(IMAGE_BYTES, left));
    if (image === 'too large') throw tooLarge();
    if (!image) throw new UpstreamError('The worker made an image but did not give it out.');
    const { url: _, ...rest } = entry as Entry;
    const url = await store?.(image);
    if (url !== undefined) {
      data.push({ ...rest, url });
      continue;
    }
    left -= image.content.length;
    pictures.push(toBase64(image.content));
    data.push({ ...rest, b64_json: mark });
  }
  const around = JSON.stringify({ ...(answer as object), data }).split(mark);
  return around.flatMap((text, at) => [Buffer.from(text), ...pictures.slice(at, at + 1)]);
};
