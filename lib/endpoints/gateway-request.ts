import type { Dialect } from '../dialects/dialect.ts';
import type { Snapshot } from '../discovery/source.ts';
import type { Holder } from '../holder.ts';
import type { Head } from '../http/reply.ts';
import type { HttpRequest } from '../http/request.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import type { Deadline } from '../time/deadline.ts';
import type { Match } from './endpoint.ts';
import type { Family } from './family.ts';
import type { Upgrade } from './upgrade.ts';

/**
 * One request on its way through the gateway. It is the event that middy's middlewares share: `headers`, `body` and
 * `isBase64Encoded` stay as Lambda delivers them, so that official middlewares work on it.
 */
export interface GatewayRequest extends HttpRequest {
  /** Correlation id; set by the correlation middleware. */
  id: string;
  /** The function this runs in. */
  readonly family: Family;
  /** Where its path stands in the endpoint table; `undefined`: nowhere. Looked up once, when the request arrives. */
  readonly match: Match | undefined;
  /** What its answer, an error too, is said in. */
  readonly dialect: Dialect;
  readonly deadline: Deadline;
  /**
   * Reads the body, where the host has not: `body` and `bytes` are there afterwards. Stops behind `maxBytes`.
   * @returns how many bytes came.
   * @throws {GatewayError} no byte came for too long, or there is no room for it.
   */
  readonly receive?: (maxBytes: number) => Promise<number>;
  /** Counts bytes that this request makes the process hold. @throws {UnavailableError} when there is no room for them. */
  readonly hold?: (bytes: number) => void;
  /** The client wants a session over WebSocket, and the host can give it one. */
  readonly upgrade?: Upgrade;
  /** Told which worker it is at now, and so no longer at the one before, where the host counts them. */
  readonly occupies?: (workerId: string) => void;
  /** Called in order when the first chunk is there, just before the head is written. */
  readonly onHead: ((head: Head) => void)[];
  /** Shown every chunk of the response on its way to the platform. */
  onChunk?: (chunk: string | Uint8Array) => void;
  /** What is known of this request when it is over, for its log line; the pipeline writes into it. */
  record?: RequestRecord;
  /** Exists only while the node header is switched on. */
  holder?: Holder;
  /** SHA-256 of the key the caller showed, in hex; `undefined` where anybody may call. */
  caller?: string;
  /** Run when the response is over and before the invocation is. */
  readonly afterwards: (() => Promise<unknown>)[];
  /** The configuration this request is served under. */
  snapshot?: Snapshot;
}
