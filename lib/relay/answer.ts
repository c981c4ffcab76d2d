import type { ChunkReader } from '../upstream/chunk-reader.ts';
import type { Worker } from '../worker.ts';

/** A worker's body whose beginning is already here. */
export interface PrimedBody {
  readonly first: readonly Uint8Array[];
  /** `stop()` closes the connection. */
  readonly rest: ChunkReader;
}

/** A worker's answer whose first byte is here. */
export interface Answered {
  readonly worker: Worker;
  readonly status: number;
  /** Already filtered for the client. */
  readonly headers: Record<string, string>;
  readonly body: PrimedBody;
}
