import type { Dialect, StreamFormat } from '../dialects/dialect.ts';
import type { Snapshot } from '../discovery/source.ts';
import type { Wishes } from '../discovery/wishes.ts';
import type { Operation } from '../engines/engine.ts';
import type { GatewayError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { HttpRequest } from '../http/request.ts';
import type { Uploads } from '../uploads/uploads.ts';
import type { Ask } from '../upstream/ask.ts';
import type { Worker } from '../worker.ts';
import type { Family } from './family.ts';

/** What a conversation starts with: the text that decides where its cached prefix lives. */
export interface Prefix {
  readonly system: string;
  readonly firstUser: string;
}

interface Common {
  /** Snake-case name of what is done, bounded in number: a key of logs and metrics. */
  readonly operation: string;
  /** The functions that serve it. */
  readonly families: readonly Family[];
  /** `undefined`: any method. */
  readonly methods: readonly string[] | undefined;
  /**
   * The canonical path first, then its aliases; a path below `/v1` works without it as well. `{name}` matches one
   * segment, `{name+}` the rest of the path, which may hold slashes.
   */
  readonly paths: readonly string[];
  /** Paths that a template matches and that are something else: unknown here. */
  readonly except?: RegExp;
  readonly dialect: Dialect;
  /** Whether a client that names another dialect in its headers is answered in that one. */
  readonly followsCaller?: true;
  /** Whose key opens it: `none` is everybody, `admin` takes an admin key. Default: an API key. */
  readonly access?: 'none' | 'admin';
  /** Says whether the process should be sent requests: no longer, once it has been told to end. */
  readonly isReadiness?: true;
  /** Asked all the time by load balancers and people: a line in the log, but no metrics. */
  readonly isUnmetered?: true;
  /** OpenTelemetry's `gen_ai.operation.name`, where it has one for this; otherwise metrics keep `operation`. */
  readonly genAiOperation?: 'chat' | 'text_completion' | 'embeddings';
}

/** Endpoints that a worker answers. */
export interface ForwardedEndpoint extends Common {
  readonly kind: 'forwarded';
  /** What engines say that they serve. */
  readonly operation: Operation;
  readonly input: 'json' | 'multipart';
  /** The field that names the model. */
  readonly modelField: 'model' | 'model_id';
  /** Names it where that one does not. Default: `model`. */
  readonly otherModelField?: 'name';
  /** Fields the gateway itself must be able to read. */
  readonly required?: Readonly<Record<string, 'array'>>;
  /** What the endpoint streams as, where it streams text; other streams are bytes. */
  readonly stream?: StreamFormat;
  /** Whether a request without `stream` streams. */
  readonly streamsByDefault?: boolean;
  /** Reads what the affinity keys are made of. */
  readonly prefix?: (body: Readonly<Record<string, unknown>>) => Prefix | undefined;
  /** Set in a JSON body where the client left them out, for engines that keep what they make (`Engine.keepsFiles`). */
  readonly defaults?: Readonly<Record<string, string>>;
  /**
   * Fields that may name an upload in place of a file, and the part each becomes. Where there are any, and uploads are
   * on, a multipart endpoint takes JSON too.
   */
  readonly uploadFields?: Readonly<Record<string, string>>;
  /**
   * The gateway's own answer, for when no worker has one: no engine of the fleet serves it, or the worker says that
   * it has no such thing. `undefined`: the gateway has none either.
   * @param failure why nobody answered; `undefined` where a worker did, and has none.
   * @throws {GatewayError} to say so in better words.
   */
  readonly fallback?: (
    body: Readonly<Record<string, unknown>>,
    snapshot: Snapshot,
    failure: GatewayError | undefined,
    canServe: CanServe,
  ) => Promise<Reply | undefined>;
  /** Answers carry images, which must not be URLs on a worker's own disk. */
  readonly hasImages?: true | undefined;
  /** Refuses requests that a fleet cannot serve. @throws {GatewayError} */
  readonly check?: (body: Readonly<Record<string, unknown>>) => void;
}

/** Whether a worker can be asked for an operation: in its client's dialect, or in words of its own. */
export type CanServe = (worker: Worker, operation: Operation) => boolean;

/** What an endpoint that the gateway answers itself may look at. */
export interface AnswerContext {
  readonly request: HttpRequest;
  /** SHA-256 of the key the caller showed, in hex; `undefined` where anybody may call. */
  readonly caller: string | undefined;
  /** What the caller speaks. */
  readonly dialect: Dialect;
  readonly params: Readonly<Record<string, string>>;
  /** `undefined` while they are switched off. */
  readonly uploads: Uploads | undefined;
  /** @throws {UnavailableError} while there is no configuration to serve from. */
  snapshot(): Promise<Snapshot>;
  readonly canServe: CanServe;
  /** For services that may sleep; `undefined`: none can, for the fleet is fixed. */
  readonly wishes?: (() => Promise<Wishes>) | undefined;
  /** For what only a worker knows, and knows now. */
  readonly ask: Ask;
}

/** Endpoints that the gateway answers itself. */
export interface OwnEndpoint extends Common {
  readonly kind: 'own';
  readonly input?: 'json';
  /** No body at all is fine as well. */
  readonly isBodyOptional?: true;
  answer(context: AnswerContext): Reply | Promise<Reply>;
}

export type Endpoint = ForwardedEndpoint | OwnEndpoint;

/** A path that is in the table. */
export interface Match {
  readonly endpoint: Endpoint;
  /** Decoded values of the path's `{...}`. */
  readonly params: Readonly<Record<string, string>>;
}
