/** A JSON object somebody else wrote. */
export type Fields = Readonly<Record<string, unknown>>;

/** One request of a client whose dialect the worker lacks. */
export interface Asked {
  /** The client's body; numbers that JavaScript cannot hold are `JSON.rawJSON` objects. */
  readonly body: Fields;
  /** What the client calls the model; it is answered under this name. */
  readonly requestedModel: string | undefined;
  /** What the worker calls it. */
  readonly servedModel: string | undefined;
  /** A key of the engine registry: some say the same thing in words of their own. */
  readonly engine: string;
  /** The client's operation: a pair may serve two. */
  readonly operation: string;
  readonly isStream: boolean;
  /** The correlation id; ids that the worker does not give are made of it. */
  readonly id: string;
  /** When the request arrived, and what time it is: milliseconds since 1970. */
  readonly startedAt: number;
  readonly now: () => number;
  /** The JSON text of an error in the client's dialect. */
  readonly errorBody: (status: number, message: string) => string;
}

/** A pure state machine: the worker's events go in, text of the client's events comes out. */
export interface StreamTranslation {
  /** @param event the JSON of one server-sent event. @returns whole events of the client's, or nothing yet. */
  event(event: Fields): string;
  /** The worker says nothing for now, but lives. */
  comment(): string;
  /**
   * The worker has ended its stream.
   * @param isDone it has said so (`[DONE]`); otherwise its body is over, or has broken off.
   * @returns the client's last events; empty where the operation was not complete, or they are out already.
   */
  end(isDone: boolean): string;
  /** The worker's own error in the middle. @returns the client's last events. */
  fail(status: number, message: string): string;
}

/** One pair: how a client's dialect is carried to a worker's and back. */
export interface Translation {
  /** @returns the worker's request body. @throws {UntranslatableError} */
  request(asked: Asked): Fields;
  /** @returns the whole answer to a request that asks a worker for nothing; `undefined`: it asks for something. */
  own?(asked: Asked): string | undefined;
  /** @param answer the worker's JSON body of a 200. @returns the client's. */
  response(answer: Fields, asked: Asked): Fields;
  /** Only where the operation streams. */
  stream?(asked: Asked): StreamTranslation;
}

/** 400: a field cannot be carried, and without it the answer would be another one. */
export class UntranslatableError extends Error {
  override readonly name = 'UntranslatableError';
  /** Path of the field, `messages[2].content[0]`. */
  readonly field: string;

  constructor(field: string, reason: string) {
    super(`'${field}' ${reason}`);
    this.field = field;
  }
}
