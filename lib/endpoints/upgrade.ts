import type { WebSocket } from 'ws';

/** A client's wish to go on as a WebSocket, on a connection that its host holds. */
export interface Upgrade {
  /** Subprotocols that it offers, without the one that carries a key. */
  readonly protocols: readonly string[];
  /** The worker's side, once there is one: paused until the host has the client's. */
  opened?: {
    readonly socket: WebSocket;
    /** Told once, when the session is over. */
    readonly ended: (ending: 'complete' | 'cut') => void;
  };
}
