/** How a response ended: `complete`, or what broke it (docs/contract.md 6). `client`: nobody read it to its end. */
export type RecordedEnding = 'complete' | 'cut' | 'idle' | 'deadline' | 'client';

/**
 * What is known of one request when it is over, for its log line and metrics. Whoever learns something writes it here;
 * never a prompt, a key or a worker's address.
 */
export interface RequestRecord {
  /** `performance.now()` at the request's arrival. */
  readonly startedAt: number;
  /** Whether it is this environment's first. */
  readonly coldStart: boolean;
  /** The function. */
  readonly family: string;
  /** The endpoint's; undefined for an unknown path. */
  readonly operation: string | undefined;
  /** OpenTelemetry's name for it, where there is one: metrics are kept under it. */
  readonly genAiOperation?: string | undefined;
  /** As the client wrote it. */
  requestedModel?: string | undefined;
  /** As the worker was asked for it. */
  servedModel?: string | undefined;
  /** The pair of dialects the answer went through, where the worker does not speak the client's. */
  translation?: string | undefined;
  /** The worker whose bytes the client got, or the last one tried. */
  nodeId?: string | undefined;
  /** Workers tried. */
  attempts: number;
  /** Workers put out of rotation because of this request. */
  ejections: number;
  status?: number;
  /** From arrival to the first byte of the response. */
  firstByteMs?: number;
  /** Body bytes handed to the platform. */
  bytes: number;
  /** Where the worker said it. */
  outputTokens?: number | undefined;
  ending: RecordedEnding;
}

/** @returns a record of a request that has just arrived. */
export const createRecord = (
  about: Pick<RequestRecord, 'startedAt' | 'coldStart' | 'family' | 'operation' | 'genAiOperation'>,
): RequestRecord => ({ ...about, attempts: 0, ejections: 0, bytes: 0, ending: 'complete' });
