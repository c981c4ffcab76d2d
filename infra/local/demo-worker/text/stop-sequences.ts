/** Watches a text as it grows for the first of its stop sequences. */
export interface StopWatch {
  /** @returns what may be shown so far, and the sequence that was met, which is itself never shown. */
  push(piece: string): { readonly text: string; readonly met?: string };
  /** @returns what was held back because a stop sequence might have begun in it. */
  flush(): string;
}

export const createStopWatch = (sequences: readonly string[]): StopWatch => {
  let held = '';
  return {
    push(piece) {
      held += piece;
      let first = { at: Infinity, sequence: '' };
      for (const sequence of sequences) {
        const at = held.indexOf(sequence);
        if (at !== -1 && at < first.at) first = { at, sequence };
      }
      if (first.at !== Infinity) return { text: held.slice(0, first.at), met: first.sequence };
      const mayBegin = (start: number) => sequences.some((sequence) => sequence.startsWith(held.slice(start)));
      const longest = Math.max(0, ...sequences.map((sequence) => sequence.length));
      let safe = Math.max(0, held.length - longest);
      while (safe < held.length && !mayBegin(safe)) safe += 1;
      const text = held.slice(0, safe);
      held = held.slice(safe);
      return { text };
    },
    flush() {
      const text = held;
      held = '';
      return text;
    },
  };
};
