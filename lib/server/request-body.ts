import type { IncomingMessage } from 'node:http';
import { GatewayError, TimeoutError } from '../errors.ts';
import type { Deadline } from '../time/deadline.ts';
import { timeLimit } from '../time/time-limit.ts';
import { ClientLeftError } from './client-left-error.ts';
import type { Arrival } from './room.ts';

/** A body may come slowly; one of which nothing comes for so long is given up. */
const SILENT_MS = 30_000;

/** What comes more slowly than this, after so long, is ended when others need its room. */
const SLOWEST_BYTES_PER_SECOND = 8192;
const GRACE_MS = 10_000;

/** A timer may be so much early by the wall clock. */
const TIMER_MS = 50;

/** From this size on a declared body is put where it will lie, in place of being joined at its end. */
const LARGE = 64 * 1024;

export interface BodyOptions {
  readonly maxBytes: number;
  /** Told of bytes before they are held. @throws {GatewayError} when they may not be. */
  readonly hold: (bytes: number) => void;
  /** Told of a body that is on its way and has taken room. @returns is told that it is here, or will not come. */
  readonly expect: (arrival: Arrival) => () => void;
  /** Called when there is room: a client that asked whether to send the body is told so. */
  readonly reading?: () => void;
  /** The request's. */
  readonly deadline: Pick<Deadline, 'signal' | 'endsAt'>;
  /** How long no byte may come; default: half a minute. */
  readonly silentMs?: number | undefined;
  /** How long every body may take its time; default: ten seconds. */
  readonly graceMs?: number | undefined;
}

const tooLate = () =>
  new GatewayError(408, 'request_timeout', 'The body was not here when the time limit of this request was reached.');
const tooSlow = () =>
  new GatewayError(408, 'request_timeout', 'The body came too slowly, and others needed the room it had taken.');
const silence = (ms: number) =>
  new GatewayError(408, 'request_timeout', `No byte of the body came for ${ms / 1000} seconds.`);

/** @returns what the head says of the body's length; `undefined`: it is chunked. */
const declaredLength = ({ headers }: IncomingMessage): number | undefined =>
  headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;

/** Collects chunks; those of a declared length in one piece, so that nothing is held twice. */
const createCollector = (declared: number | undefined) => {
  const whole = declared !== undefined && declared >= LARGE ? Buffer.allocUnsafeSlow(declared) : undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  return {
    push(chunk: Buffer) {
      if (whole) chunk.copy(whole, length);
      else chunks.push(chunk);
      length += chunk.length;
      return length;
    },
    bytes: () => whole ?? (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
  };
};

/**
 * Reads a request's body.
 * @returns the body, or how many bytes had come when they were more than `maxBytes`; the rest is not read.
 * @throws {GatewayError} 408 when no byte came for half a minute, or not all in the request's time; what `hold` throws; {ClientLeftError}; the signal's reason.
 */
export const readBody = (
  message: IncomingMessage,
  { maxBytes, hold, expect, reading, deadline, silentMs = SILENT_MS, graceMs = GRACE_MS }: BodyOptions,
): Promise<Buffer | number> =>
  new Promise((resolve, reject) => {
    const { signal } = deadline;
    const declared = declaredLength(message);
    if (declared === 0) return resolve(Buffer.alloc(0));
    // Before the client is asked for them: it shall not send what there is no room for.
    if (declared !== undefined) hold(declared);
    reading?.();
    const body = createCollector(declared);
    const beganAt = performance.now();
    let heardAt = beganAt;
    let received = 0;
    const settle = (how: () => void) => {
      release();
      arrived();
      signal.removeEventListener('abort', aborted);
      message.off('data', heard).off('end', ended).off('close', closed).pause();
      how();
    };
    const refuse = (error: unknown) => settle(() => reject(error));
    // Nobody else has kept it waiting.
    const isOver = () => signal.reason instanceof TimeoutError && Date.now() >= deadline.endsAt - TIMER_MS;
    const aborted = () => refuse(isOver() ? tooLate() : signal.reason);
    const closed = () => refuse(new ClientLeftError());
    const ended = () => settle(() => resolve(body.bytes()));
    const heard = (chunk: Buffer) => {
      heardAt = performance.now();
      try {
        if (declared === undefined) hold(chunk.length);
        received = body.push(chunk);
        if (received > maxBytes) settle(() => resolve(received));
      } catch (error) {
        refuse(error);
      }
    };
    const watch = (ms: number): (() => void) =>
      timeLimit(ms, () => {
        const leftMs = silentMs - (performance.now() - heardAt);
        if (leftMs > 0) release = watch(leftMs);
        else refuse(silence(silentMs));
      });
    let release = watch(silentMs);
    const arrived = expect({
      isSlow() {
        const ms = performance.now() - beganAt;
        return ms > graceMs && received < (ms / 1000) * SLOWEST_BYTES_PER_SECOND;
      },
      giveUp: () => refuse(tooSlow()),
    });
    signal.addEventListener('abort', aborted);
    message.on('data', heard).once('end', ended).once('close', closed);
  });
