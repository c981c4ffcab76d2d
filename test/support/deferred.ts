/** A promise that a test settles by hand. */
export interface Deferred<T = void> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

export const createDeferred = <T = void>(): Deferred<T> => Promise.withResolvers<T>();
