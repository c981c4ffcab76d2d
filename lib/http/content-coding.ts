import { InvalidRequestError, UnsupportedMediaTypeError } from '../errors.ts';

type Zlib = typeof import('node:zlib');
type Decode = (zlib: Zlib, bytes: Buffer, maxOutputLength: number) => Promise<Decoded>;

interface Decoded {
  readonly content: Buffer;
  /** How many bytes of the input it was made of. */
  readonly consumed: number;
}

/** Several at once are allowed (RFC 9110 8.4), but each costs a pass over the body. */
const MOST_CODINGS = 8;
/** A zstd body may be one frame after another; nobody cuts one of 6 MB into more. */
const MOST_FRAMES = 256;
/** RFC 9659: a window of at most 8 MB. */
const ZSTD_WINDOW_LOG = 23;

/** With `info`, Node hands out the engine as well, which knows how much it has read. */
type Informed = (
  bytes: Buffer,
  options: object,
  done: (error: Error | null, result: { buffer: Buffer; engine: { bytesWritten: number } }) => void,
) => void;

const run = (method: unknown, bytes: Buffer, options: object): Promise<Decoded> =>
  new Promise((resolve, reject) => {
    (method as Informed)(bytes, { ...options, info: true }, (error, result) => {
      if (error) reject(error);
      else resolve({ content: result.buffer, consumed: result.engine.bytesWritten });
    });
  });

/** RFC 1950 2.2: what begins otherwise is bare deflate, which some clients send under the name. */
const hasZlibHeader = (bytes: Buffer): boolean =>
  bytes.length > 1 && ((bytes[0] as number) & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0;

const gunzip: Decode = (zlib, bytes, maxOutputLength) => run(zlib.gunzip, bytes, { maxOutputLength });

const unzstd: Decode = async (zlib, bytes, maxOutputLength) => {
  const options = { params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } };
  const contents: Buffer[] = [];
  let left = maxOutputLength;
  let consumed = 0;
  while (consumed < bytes.length && contents.length < MOST_FRAMES) {
    const frame = await run(zlib.zstdDecompress, bytes.subarray(consumed), { ...options, maxOutputLength: left });
    contents.push(frame.content);
    left -= frame.content.length;
    consumed += frame.consumed;
  }
  return { content: Buffer.concat(contents), consumed };
};

const decoders: ReadonlyMap<string, Decode | undefined> = new Map<string, Decode | undefined>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  [
    'deflate',
    (zlib, bytes, maxOutputLength) =>
      run(hasZlibHeader(bytes) ? zlib.inflate : zlib.inflateRaw, bytes, { maxOutputLength }),
  ],
  ['br', (zlib, bytes, maxOutputLength) => run(zlib.brotliDecompress, bytes, { maxOutputLength })],
  ['zstd', unzstd],
  ['identity', undefined],
]);

const SUPPORTED = 'gzip, deflate, br, zstd, identity';

/**
 * Reads `Content-Encoding`.
 * @returns the codings to undo, the last one applied first.
 * @throws {UnsupportedMediaTypeError} one of them is not known here (RFC 9110 15.5.16), or there are too many.
 */
export const readCodings = (header: string): readonly string[] => {
  const names = header.toLowerCase().split(',').map((name) => name.trim()); // biome-ignore format: one line
  const codings = names.filter((name) => name !== '' && name !== 'identity');
  const unknown = codings.find((name) => !decoders.has(name));
  if (unknown === undefined && codings.length <= MOST_CODINGS) return codings.reverse();
  throw new UnsupportedMediaTypeError(
    unknown === undefined
      ? `The body is encoded ${codings.length} times over: send it encoded once.`
      : `The Content-Encoding '${unknown.slice(0, 50)}' is not supported: send one of ${SUPPORTED}.`,
    { headers: { 'accept-encoding': SUPPORTED } },
  );
};

/**
 * Undoes codings one after the other, without ever holding more than `maxBytes` of what comes out of any.
 * @returns `undefined` when it would be more.
 * @throws {InvalidRequestError} the body is damaged, or something follows it.
 */
export const decodeBody = async (
  body: Buffer,
  codings: readonly string[],
  maxBytes: number,
): Promise<Buffer | undefined> => {
  // Loaded when the first encoded body comes.
  const zlib = process.getBuiltinModule('node:zlib');
  let bytes = body;
  for (const coding of codings) {
    const damaged = (cause?: unknown) =>
      new InvalidRequestError(`The body cannot be decoded: it is not sound ${coding}.`, { cause });
    const decoded = await decoders.get(coding)?.(zlib, bytes, maxBytes).catch((cause) => {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined;
      throw damaged(cause);
    }); // biome-ignore format: a chain
    if (!decoded) return undefined;
    if (decoded.consumed !== bytes.length) throw damaged();
    bytes = decoded.content;
  }
  return bytes;
};
