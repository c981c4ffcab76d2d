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

/** A body that has taken room and is still on its way. */
export interface Arrival {
  /** Whether it comes so slowly that it must keep nobody out: a few that declare much and send little would take all room. */
  isSlow(): boolean;
  /** Ends it. What it took is given back when this returns. */
  giveUp(): void;
}

/** Room for request bodies: how many bytes of them one process holds at once. */
export interface Room {
  /** @throws {UnavailableError} 503 + Retry-After, when there is not so much left, without those that come too slowly. */
  take(bytes: number): void;
  give(bytes: number): void;
  /** @returns tells that it is here, or will not come. */
  expect(arrival: Arrival): () => void;
}

export const createRoom = (size: number): Room => {
  let taken = 0;
  const arrivals = new Set<Arrival>();
  const isFull = (bytes: number) => taken + bytes > size;
  return {
    take(bytes) {
      for (const arrival of arrivals) {
        if (!isFull(bytes)) break;
        if (bytes <= size && arrival.isSlow()) arrival.giveUp();
      }
      if (isFull(bytes)) {
        throw new UnavailableError('This gateway holds as many request bodies as it can.', {
          retryAfter: RETRY_SECONDS,
        });
      }
      taken += bytes;
    },
    give(bytes) {
      taken -= bytes;
    },
    expect(arrival) {
      arrivals.add(arrival);
      return () => arrivals.delete(arrival);
    },
  };
};
