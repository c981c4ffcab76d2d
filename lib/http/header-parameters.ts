/** A header's value and the parameters behind it (RFC 9110 5.6.6), as `@fastify/busboy` reads them. */
export interface Parameters {
  readonly value: string;
  /** In order, names as written; of several of one name the reader takes the last. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** Up to the next `;` outside quotes: plain text, then perhaps one quoted string, after which nothing counts. */
const PIECE = /([^;"]*)(?:"((?:[^"\\]|\\[\s\S])*)\\?(?:"[^;]*|$))?(?:;|$)/g;

/** As browsers and clients write it; what else stands after the file name is then not read. */
const USUAL = /^form-data; name="([^"\\]*)"(?:[^;\\]*;[ \t]*filename="([^"\\]*)"[^\\]*)?$/;

const LATIN1 = /^(?:latin1|(?:us-)?ascii|iso[-_]?8859-1|iso88591|iso_8859-1:1987|windows-1252|(?:x-)?cp1252)$/i;

/** @returns what Node calls a charset; one that is not known is taken for UTF-8. */
export const encodingOf = (charset: string): BufferEncoding => {
  if (charset === '') return 'utf8';
  if (LATIN1.test(charset)) return 'latin1';
  if (/^(?:utf-?16le|ucs-?2)$/i.test(charset)) return 'utf16le';
  return /^base64$/i.test(charset) ? 'base64' : 'utf8';
};

/** @param bytes one character a byte. */
const decode = (bytes: string, charset = ''): string =>
  charset === '' && !/[\x80-\xff]/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString(encodingOf(charset));

/** RFC 8187: `name*=UTF-8'en'%C3%BC`. */
const decodeExtended = (text: string): string => {
  const [charset = '', language, ...rest] = text.split("'");
  if (language === undefined) return decode(text);
  const value = rest.length > 0 ? rest.join("'") : language;
  // What stands before the charset's name is the equals sign.
  if (charset.length < 2) return decode(value);
  const bytes = value.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decode(bytes, charset.slice(1));
};

/** @returns what stands between the semicolons, without blanks and quotes. */
const wordsOf = (header: string): string[] => {
  if (!header.includes('"')) return header.replace(/[ \t]/g, '').split(';');
  return Array.from(
    header.matchAll(PIECE),
    ([, plain = '', quoted = '']) => plain.replace(/[ \t]/g, '') + quoted.replace(/\\(["\\])/g, '$1'),
  );
};

/** @param header a field's value, one character a byte. */
export const readParameters = (header: string): Parameters => {
  if (!header.includes(';')) return { value: decode(header), parameters: [] };
  const [, name, filename] = USUAL.exec(header) ?? [];
  if (name !== undefined) {
    const named = ['name', decode(name)] as const;
    return {
      value: 'form-data',
      parameters: filename === undefined ? [named] : [named, ['filename', decode(filename)]],
    };
  }
  const [value = '', ...words] = wordsOf(header);
  return {
    value: decode(value),
    parameters: words.flatMap((word) => {
      const at = word.search(/[=*]/);
      if (at === -1) return [];
      const rest = word.slice(at + 1);
      return [[word.slice(0, at), word[at] === '*' ? decodeExtended(rest) : decode(rest)] as const];
    }),
  };
};
