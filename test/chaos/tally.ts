/** @returns how often each one is there, the most frequent first. */
export const tally = (all: Iterable<string>): Readonly<Record<string, number>> => {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
};

/** Problems by kind: how many, and the first one's particulars. */
export interface Problems {
  readonly add: (what: string, particulars: string) => void;
  /** One line a kind. */
  readonly lines: () => readonly string[];
}

export const createProblems = (): Problems => {
  const kinds = new Map<string, { particulars: string; count: number }>();
  return {
    add: (what, particulars) => {
      const known = kinds.get(what);
      if (known) known.count += 1;
      else kinds.set(what, { particulars, count: 1 });
    },
    lines: () => [...kinds].map(([what, { particulars, count }]) => `${count} x ${what} (${particulars})`),
  };
};

/** Runs `work` for 1..count, so many at a time. */
export const inLanes = async (count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> => {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      next += 1;
      await work(next);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
};
