import { encodingOf, readParameters } from './header-parameters.ts';

/** What a part of a form says of itself. */
export interface PartHeader {
  /** `undefined`: it has no usable `Content-Disposition`. Such a part is no field, but it is passed on. */
  readonly name: string | undefined;
  /** It has a file name, or is of `application/octet-stream`. */
  readonly isFile: boolean;
  /** Of its text. */
  readonly encoding: BufferEncoding;
}

/** A part's header is read as far as this, and as many lines of it. */
export const HEADER_BYTES = 80 * 1024;
const HEADER_LINES = 2000;

export const NAMELESS: PartHeader = { name: undefined, isFile: false, encoding: 'utf8' };

/** @returns the first value of each header field; names in lower case. */
const readHeader = (text: string): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>();
  let folded: string | undefined;
  let count = 0;
  for (const line of text.split('\r\n')) {
    if (line === '') continue;
    // A part whose header is broken is read as far as it is sound.
    if (/[\r\n]/.test(line)) break;
    const isContinued = /^[ \t]/.test(line) && count > 0;
    if (isContinued) {
      if (folded !== undefined) fields.set(folded, `${fields.get(folded)}${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon < 1) break;
    const name = line.slice(0, colon).toLowerCase();
    folded = fields.has(name) ? undefined : name;
    if (folded !== undefined) fields.set(name, line.slice(colon + 1).replace(/^[ \t]/, ''));
    count += 1;
    if (count === HEADER_LINES) break;
  }
  return fields;
};

const last = (parameters: readonly (readonly [string, string])[], wanted: string): string | undefined =>
  parameters.findLast(([name]) => name.toLowerCase() === wanted)?.[1];

/** @param header a part's header lines, one character a byte, without the empty line after them. */
export const readPartHeader = (header: string): PartHeader => {
  const fields = readHeader(header);
  const disposition = readParameters(fields.get('content-disposition') ?? '');
  if (disposition.value.toLowerCase() !== 'form-data') return NAMELESS;
  const known = disposition.parameters.filter(([name]) => /^(?:file)?name$/i.test(name));
  if (known.some(([, value]) => /[\r\n]/.test(value))) return NAMELESS;
  const type = readParameters(fields.get('content-type') ?? '');
  const charset = type.value && type.parameters.find(([name]) => name.toLowerCase() === 'charset')?.[1];
  return {
    name: last(known, 'name'),
    isFile: last(known, 'filename') !== undefined || type.value.toLowerCase() === 'application/octet-stream',
    encoding: encodingOf(charset ?? ''),
  };
};

/** @returns a name as the value of a part's parameter. */
export const quoted = (name: string): string =>
  `"${name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}"`;

/** @returns the header lines of a text part, as browsers write them (WHATWG HTML, "multipart/form-data encoding"). */
export const textHeader = (name: string): string => `Content-Disposition: form-data; name=${quoted(name)}`;
