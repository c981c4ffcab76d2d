import type { IncomingMessage } from 'node:http';

/** RFC 9110 5.6.2. Behind the lenient parser a name may hold anything, `content-length ` with a blank too. */
const isToken = (name: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(name);

/** What Node takes off by itself; of any other the body would stay encoded, and nothing would say so. */
const isKnownTransfer = (value: string): boolean => /^\s*(?:chunked|identity)\s*$/i.test(value);

/**
 * Names that are none would pass every filter that goes by names. Two lengths, or a length beside a transfer coding, say
 * that the message may not be what it seems (RFC 9112 6.3).
 */
const isWellFramed = ({ rawHeaders }: IncomingMessage): boolean => {
  let lengths = 0;
  let codings = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n] as string;
    if (!isToken(name)) return false;
    // Only these two lengths are ever of interest.
    if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      codings += 1;
      if (!isKnownTransfer(rawHeaders[n + 1] as string)) return false;
    }
  }
  return lengths < 2 && (lengths === 0 || codings === 0);
};

/** RFC 9110 15: what is outside of these classes is no answer, and could not be passed on. */
const isFinal = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode <= 599;

/** A byte that no header value may hold (RFC 9110 5.5); the filter drops the header, and the connection is not trusted on. */
export const hasControls = ({ rawHeaders }: IncomingMessage): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  rawHeaders.some((text) => /[\x00-\x08\x0a-\x1f\x7f]/.test(text));

/** @returns whether a response is one that may be passed on at all. */
export const isAcceptable = (response: IncomingMessage): boolean => isWellFramed(response) && isFinal(response);
