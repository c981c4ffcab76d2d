/** @returns what went wrong, for the log and an operator's eyes: its kind and its words. */
export const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
