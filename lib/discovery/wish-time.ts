/** Seconds since 1970 have ten digits until the year 2286. */
const SECONDS = /^\d{10}(?:\.\d+)?$/;
const MILLISECONDS = /^\d{13}$/;

/**
 * @param text of `runtime/wake/<service>`: RFC 3339 as gateways write it, or, by hand, what `date +%s` says.
 * @returns milliseconds since 1970, `undefined` where it is no time.
 */
export const readWish = (text: string): number | undefined => {
  const said = text.trim();
  const at = SECONDS.test(said) ? Number(said) * 1000 : MILLISECONDS.test(said) ? Number(said) : Date.parse(said);
  return Number.isNaN(at) ? undefined : at;
};
