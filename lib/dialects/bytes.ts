import type { StreamFormat } from './dialect.ts';

/** A body without framing (binary, JSON): its bytes pass unseen, and where it is cut there is nothing to say. */
export const bytes: StreamFormat = {
  contentType: undefined,
  watch: () => ({
    push: (chunk) => chunk,
    atBoundary: false,
    terminated: false,
    finish: (isClean) => (isClean ? '' : undefined),
    fail: (error) => {
      throw error;
    },
  }),
};
