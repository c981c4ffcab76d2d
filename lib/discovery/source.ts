import type { Worker } from '../worker.ts';
import type { ScaledService } from './scaled-service.ts';

/** Everything that may change without a deploy, as one consistent value. */
export interface Snapshot {
  readonly workers: readonly Worker[];
  /** Services whose count the registrar changes; `undefined`: there are none. */
  readonly services?: readonly ScaledService[] | undefined;
  /** Those of them that have no healthy worker, as workers that are not ready (`sleepersOf`). */
  readonly sleepers?: readonly Worker[] | undefined;
  readonly exposeNodeHeader: boolean;
  /** SHA-256 digests (hex, lower case) of the accepted keys. */
  readonly apiKeys: readonly string[];
  readonly adminKeys: readonly string[];
  /** alias -> served model name */
  readonly aliases: Readonly<Record<string, string>>;
}

/** Where a snapshot comes from. */
export interface Source {
  /**
   * The current snapshot; waits only where docs/contract.md 9 says so.
   * @throws {UnavailableError} 503 + Retry-After when there has never been a good value.
   */
  current(signal?: AbortSignal): Promise<Snapshot>;
  /** The snapshot as it is now, read again unless that was just done; the last good one where it cannot be read. */
  refreshed(signal: AbortSignal): Promise<Snapshot>;
  /** Resolves when a refresh running alongside has finished, at most 1 s; awaited before the invocation ends. */
  settled(): Promise<void>;
}
