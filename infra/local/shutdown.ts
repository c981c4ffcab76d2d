/** The end of a program that has opened things. */
export interface Shutdown {
  /** What is to be closed, in the order of opening; it is closed in reverse. */
  readonly closers: (() => Promise<void>)[];
  /** Whether it has begun: what fails from then on is no failure. */
  readonly isUnderWay: boolean;
  /** Closes everything and ends the process. A second call does nothing. */
  stop(exitCode: number): Promise<void>;
}

export const createShutdown = (): Shutdown => {
  const closers: (() => Promise<void>)[] = [];
  let isUnderWay = false;
  return {
    closers,
    get isUnderWay() {
      return isUnderWay;
    },
    async stop(exitCode) {
      // A terminal's Ctrl-C arrives twice: from the terminal itself and passed on by npm.
      if (isUnderWay) return;
      isUnderWay = true;
      for (const close of closers.reverse()) await close().catch((error: Error) => console.error(error.message));
      process.exit(exitCode);
    },
  };
};

/** Ends the program when it is asked to, or when the process that started it is gone. */
export const stopWhenAsked = ({ stop }: Pick<Shutdown, 'stop'>): void => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(0));
  process.once('disconnect', () => stop(1));
};
