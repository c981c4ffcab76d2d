/** The time of a write, as it stands in a token's text: microseconds of one process's clock, always as many digits. */
export const stampNow = (): string => String(Math.round(performance.now() * 1000) + 1e12);

const DIGITS = 13;
const MARK = Buffer.from('"content":"1');

/**
 * Finds the times in a piece of a stream, wherever they stand, and looks at nothing else of it.
 *
 * @param told each of them, in milliseconds.
 * @returns how many bytes are done with: a stamp may be cut at the end.
 */
export const readStamps = (bytes: Buffer, told: (writtenMs: number) => void): number => {
  let used = 0;
  for (;;) {
    const at = bytes.indexOf(MARK, used);
    if (at === -1) return Math.max(used, bytes.length - MARK.length);
    const start = at + MARK.length - 1;
    if (start + DIGITS > bytes.length) return at;
    // Its first digit is the 1 of 1e12.
    let micros = 0;
    for (let n = start + 1; n < start + DIGITS; n += 1) micros = micros * 10 + (bytes[n] as number) - 48;
    told(micros / 1000);
    used = start + DIGITS;
  }
};
