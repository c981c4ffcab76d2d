import { totalmem } from 'node:os';
import { UnavailableError } from '../errors.ts';

/** Seconds until it is worth trying again: a request in the way may be a long stream, or over at once. */
const RETRY_SECONDS = 5;

/** Of the memory limit; a body is held as bytes, parsed, and sent, and streams need room as well. */
const SHARE = 1 / 4;

/** @returns bytes: the cgroup's limit (v2 or v1) where there is one, else what the machine has. */
const memoryLimit = (): number => {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
};

/** @returns `GATEWAY_BUFFERED_BYTES` where it is not set. */
export const defaultRoom = (): number => Math.floor(memoryLimit() * SHARE);

/** Room for request bodies: how many bytes of them one process holds at once. */
export interface Room {
  /** @throws {UnavailableError} 503 + Retry-After, when there is not so much left. */
  take(bytes: number): void;
  give(bytes: number): void;
}

export const createRoom = (size: number): Room => {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > size) {
        throw new UnavailableError('This gateway holds as many request bodies as it can.', {
          retryAfter: RETRY_SECONDS,
        });
      }
      taken += bytes;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
};
