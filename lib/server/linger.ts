import type { IncomingMessage } from 'node:http';

/** What nginx takes for `lingering_time` and `lingering_timeout`. */
const LONGEST_MS = 30_000;
const SILENT_MS = 5000;

/**
 * Reads and drops what is left of a body that was refused. Closing a connection with bytes unread resets it, and the
 * client, still sending, would never see why (RFC 9112 9.6). Resolves at the body's end, or when enough was waited.
 */
export const linger = (message: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    if (message.complete || message.destroyed) return resolve();
    const done = () => {
      clearTimeout(longest);
      clearTimeout(silent);
      message.off('data', heard).off('end', done).off('close', done);
      resolve();
    };
    const longest = setTimeout(done, LONGEST_MS);
    const silent = setTimeout(done, SILENT_MS);
    const heard = () => silent.refresh();
    message.on('data', heard).once('end', done).once('close', done).resume();
  });
