/** How long an upload can be named in requests; the bucket's own expiry comes a little later. */
export const UPLOAD_LIFE_MS = 24 * 60 * 60 * 1000;

const ID = /^file-([0-9a-f]{8})[0-9a-f]{32}$/;

/**
 * Eight hex digits of when it was made, so that an expired id can be told from one that never was, and 128 random bits.
 * The whole id stands in the object's key: whoever changes the time names another object.
 * @param now milliseconds since the epoch.
 */
export const newUploadId = (now: number): string => {
  const seconds = Math.floor(now / 1000)
    .toString(16)
    .padStart(8, '0');
  return `file-${seconds}${process.getBuiltinModule('node:crypto').randomBytes(16).toString('hex')}`;
};

/** @returns when the id stops to be usable, in milliseconds since the epoch; `undefined` for what is no id at all. */
export const expiryOf = (id: string): number | undefined => {
  const seconds = ID.exec(id)?.[1];
  return seconds === undefined ? undefined : Number.parseInt(seconds, 16) * 1000 + UPLOAD_LIFE_MS;
};

/**
 * @param id an id in its proper form.
 * @param caller SHA-256 of the caller's key in hex; `undefined`: anonymous access, one owner for all.
 * @returns where the object is: under another key it is simply not there. Hashed once more, so that a listing of the
 *   bucket gives nothing to compare keys with.
 */
export const uploadKey = (id: string, caller: string | undefined): string => {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const owner =
    caller === undefined ? 'anonymous' : createHash('sha256').update(`upload-owner:${caller}`).digest('hex');
  return `uploads/${owner.slice(0, 32)}/${id}`;
};
