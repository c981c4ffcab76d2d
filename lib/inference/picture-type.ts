const latin1 = (bytes: Buffer, start: number, end: number) => bytes.toString('latin1', start, end);

/** How formats that image and video models write begin (WHATWG MIME Sniffing 6.1, 6.2). */
const SIGNATURES: readonly (readonly [type: string, begins: (bytes: Buffer) => boolean])[] = [
  ['image/png', (bytes) => latin1(bytes, 0, 8) === '\x89PNG\r\n\x1a\n'],
  ['image/jpeg', (bytes) => latin1(bytes, 0, 3) === '\xff\xd8\xff'],
  ['image/gif', (bytes) => /^GIF8[79]a/.test(latin1(bytes, 0, 6))],
  ['image/webp', (bytes) => latin1(bytes, 0, 4) === 'RIFF' && latin1(bytes, 8, 12) === 'WEBP'],
  ['image/bmp', (bytes) => latin1(bytes, 0, 2) === 'BM'],
  ['image/avif', (bytes) => latin1(bytes, 4, 12) === 'ftypavif'],
  ['video/mp4', (bytes) => latin1(bytes, 4, 8) === 'ftyp'],
  ['video/webm', (bytes) => latin1(bytes, 0, 4) === '\x1a\x45\xdf\xa3'],
];

/**
 * Tells a picture from a page that stands in its place.
 * @param says the worker's `Content-Type`.
 * @returns the type of an image or a video, by what it says or by how it begins; `undefined`: it is neither.
 */
export const pictureType = (bytes: Buffer, says: string | string[] | undefined): string | undefined =>
  typeof says === 'string' && /^(?:image|video)\/[\w.+-]+/i.test(says)
    ? says
    : SIGNATURES.find(([, begins]) => begins(bytes))?.[0];
