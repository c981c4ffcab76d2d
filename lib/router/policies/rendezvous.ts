import type { Worker } from '../../worker.ts';

/** A 64-bit hash in two lanes. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

/** Finaliser of MurmurHash3 (public domain): every bit of the input moves about half of the output. */
const mix = (value: number): number => {
  let h = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/**
 * Two FNV-1a lanes over UTF-16 code units. Not for secrets; equal in every environment, which is all that is needed.
 */
export const hashOf = (...parts: readonly string[]): Hash => {
  let high = 0x811c9dc5;
  let low = 0x9747b28c;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 1) {
      const unit = part.charCodeAt(i);
      high = Math.imul(high ^ unit, 0x01000193);
      low = Math.imul(low ^ unit, 0x5bd1e995);
    }
    // No code unit is above 0xffff, so ('ab', 'c') and ('a', 'bc') differ.
    high = Math.imul(high ^ 0x10000, 0x01000193);
    low = Math.imul(low ^ 0x10000, 0x5bd1e995);
  }
  return { high: mix(high), low: mix(low ^ high) };
};

/** Workers live as long as a fleet snapshot; so do the hashes of their ids. */
const idHashes = new WeakMap<Worker, Hash>();

const idHashOf = (worker: Worker): Hash => {
  let hash = idHashes.get(worker);
  if (!hash) {
    hash = hashOf(worker.id);
    idHashes.set(worker, hash);
  }
  return hash;
};

/**
 * Highest-random-weight hashing: every environment computes the same order of workers for a key without talking to
 * another, and a worker that leaves moves only its own keys.
 * Source: D. Thaler, C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998).
 *
 * @returns one score per worker, uniform in [0, 2^32); the highest is the key's first worker
 */
export const scoresOf = (workers: readonly Worker[], key: Hash): Float64Array =>
  Float64Array.from(workers, (worker) => {
    const id = idHashOf(worker);
    return mix(mix(id.high ^ key.high) + (id.low ^ key.low)) >>> 0;
  });
