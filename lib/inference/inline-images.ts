import { UpstreamError } from '../errors.ts';

/** An image a worker made. */
export interface Image {
  readonly content: Buffer;
  readonly contentType: string;
}

/** One image a worker made, fetched from it. */
export type FetchImage = (path: string) => Promise<Image | undefined>;

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

interface ImagesAnswer {
  readonly data: readonly { readonly url?: unknown }[];
}

const isAnswer = (value: unknown): value is ImagesAnswer =>
  typeof value === 'object' && value !== null && 'data' in value && Array.isArray(value.data);

const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
};

/** @returns the path on the worker, or `undefined` for a URL that is none of its own. */
const ownPath = (url: unknown, origins: readonly string[]): string | undefined => {
  if (typeof url !== 'string' || url.startsWith('data:')) return undefined;
  const target = URL.parse(url, origins[0]);
  return target && origins.includes(target.origin) ? target.pathname + target.search : undefined;
};

/**
 * Puts images in place of URLs that only a worker can open (CONTRACT.md 2, "Images"). An answer without such URLs
 * keeps its bytes.
 *
 * @param bytes the worker's JSON answer, whole.
 * @throws {UpstreamError} when the worker does not give the image it named, and what `fetchImage` throws.
 */
export const inlineImages = async (bytes: Buffer, { origins, fetchImage, store }: InlineOptions): Promise<Buffer> => {
  const answer = bytes.includes('"url"') ? parse(bytes) : undefined;
  if (!isAnswer(answer) || !answer.data.some((image) => ownPath(image?.url, origins) !== undefined)) return bytes;
  const data = await Promise.all(
    answer.data.map(async (image) => {
      const path = ownPath(image?.url, origins);
      if (path === undefined) return image;
      const fetched = await fetchImage(path);
      if (!fetched) throw new UpstreamError('The worker made an image but did not give it out.');
      const { url: _, ...rest } = image;
      const url = await store?.(fetched);
      if (url !== undefined) return { ...rest, url };
      return { ...rest, b64_json: fetched.content.toString('base64') };
    }),
  );
  return Buffer.from(JSON.stringify({ ...answer, data }));
};
