/** What a connection needs of a worker's URL. A fleet has few, and each is asked for again and again. */
export interface Address {
  readonly isSecure: boolean;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  /** In front of every path; no trailing slash. */
  readonly base: string;
}

const addresses = new Map<string, Address>();
/** More URLs than a large fleet has; a fleet whose tasks come and go must not grow this for ever. */
const ADDRESSES = 2048;

/** @returns the parts of a worker's base URL. */
export const addressOf = (url: string): Address => {
  let address = addresses.get(url);
  if (!address) {
    const { protocol, hostname, port, pathname } = new URL(url);
    address = {
      isSecure: protocol === 'https:',
      protocol,
      hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      base: pathname.replace(/\/$/, ''),
    };
    if (addresses.size >= ADDRESSES) addresses.clear();
    addresses.set(url, address);
  }
  return address;
};
