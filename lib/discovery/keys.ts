/** @returns the SHA-256 digest (hex, lower case) under which a key is known. */
export const digestKey = (key: string): string =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(key).digest('hex');

/**
 * A digest that belongs to no key. It stands for a parameter that is present but malformed: something was meant to
 * be protected, so even where anonymous access is allowed the door is closed.
 */
export const noKey = '0'.repeat(64);

/** @returns the digest an entry stands for, a key or `sha256:<hex>`; `undefined` when it is neither. */
export const digestEntry = (entry: string): string | undefined => {
  // However it is written: taken for a key in clear, it would open to whoever can read it.
  if (/^sha-?256:/i.test(entry)) return /^sha256:[0-9a-f]{64}$/i.test(entry) ? entry.slice(7).toLowerCase() : undefined;
  return digestKey(entry);
};

/**
 * Reads a key parameter: one key, or `sha256:<hex>`, per line or comma.
 * @returns the digests, or `undefined` when any entry is malformed or there is none.
 */
export const parseKeys = (text: string): readonly string[] | undefined => {
  const entries = text
    .split(/[\r\n,]+/)
    .map((entry) => entry.trim())
    .filter(Boolean);
  const digests = entries.map((entry) => (/^[\x21-\x7e]+$/.test(entry) ? digestEntry(entry) : undefined));
  return digests.length && digests.every((digest) => digest !== undefined) ? digests : undefined;
};
