/** What a connection needs of a worker's URL. A fleet has few, and each is asked for again and again. */
export interface Target {
  readonly isSecure: boolean;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  /** In front of every path; no trailing slash. */
  readonly base: string;
}

const targets = new Map<string, Target>();
/** More URLs than a large fleet has; a fleet whose tasks come and go must not grow this for ever. */
const TARGETS = 2048;

/** @returns the parts of a worker's base URL. */
export const targetOf = (url: string): Target => {
  let target = targets.get(url);
  if (!target) {
    const { protocol, hostname, port, pathname } = new URL(url);
    target = {
      isSecure: protocol === 'https:',
      protocol,
      hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      base: pathname.replace(/\/$/, ''),
    };
    if (targets.size >= TARGETS) targets.clear();
    targets.set(url, target);
  }
  return target;
};
