/** What workers recognise media by: many look at the name's ending only. */
const ENDINGS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'audio/aac': 'aac',
    'audio/flac': 'flac',
    'audio/m4a': 'm4a',
    'audio/mp3': 'mp3',
    'audio/mp4': 'm4a',
    'audio/mpeg': 'mp3',
    'audio/ogg': 'ogg',
    'audio/opus': 'opus',
    'audio/wav': 'wav',
    'audio/wave': 'wav',
    'audio/webm': 'webm',
    'audio/x-flac': 'flac',
    'audio/x-m4a': 'm4a',
    'audio/x-wav': 'wav',
    'image/gif': 'gif',
    'image/jpeg': 'jpg',
    'image/png': 'png',
    'image/webp': 'webp',
    'video/mp4': 'mp4',
    'video/webm': 'webm',
  }),
);

const essence = (type: string): string => type.split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** @returns `.wav` for `audio/wav`; empty for types it does not know. */
export const endingOf = (type: string): string => {
  const ending = ENDINGS.get(essence(type));
  return ending === undefined ? '' : `.${ending}`;
};

/** `type/subtype`, perhaps with parameters (RFC 9110 8.3.1). */
export const isMediaType = (type: string): boolean =>
  type.length <= 255 &&
  /^[\w!#&^.+-]+\/[\w!#&^.+-]+(?:\s*;\s*[\w!#&^.+-]+=(?:[\w!#&^.+-]+|"[^"\\\p{Cc}]*"))*$/u.test(type);
