import { performance } from 'node:perf_hooks';
import type { Received } from './http.ts';

/** One turn of a conversation and who answered it. */
export interface Turn {
  readonly conversation: number;
  /** 0 is the first. */
  readonly turn: number;
  /** `performance.now()` when it was due, and when it was sent. */
  readonly dueAt: number;
  readonly sentAt: number;
  readonly status: number;
  /** What the node header says. */
  readonly node: string;
}

export interface TrafficOptions {
  readonly conversations: number;
  readonly turns: number;
  /** Mean rate of turns over all conversations. */
  readonly perSecond: number;
  /** Never more than these at once: a machine that cannot keep the pace falls behind instead of piling up. */
  readonly atOnce: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly ask: (conversation: number, turn: number) => Promise<Pick<Received, 'status' | 'headers'>>;
}

/**
 * Turns of many conversations at random times (a Poisson process, which does not wait for slow answers). Each is the
 * next turn of a conversation drawn by chance among those whose last turn was answered.
 * @returns all turns in the order sent
 */
export const runTraffic = async (options: TrafficOptions): Promise<readonly Turn[]> => {
  const { conversations, turns, perSecond, atOnce, random, ask } = options;
  const next = new Array<number>(conversations).fill(0);
  const quiet = Array.from({ length: conversations }, (_, conversation) => conversation);
  const asked: Promise<Turn>[] = [];
  const open = new Set<Promise<Turn>>();
  let dueAt = performance.now();
  while (asked.length < conversations * turns) {
    dueAt += (-Math.log(1 - random()) / perSecond) * 1_000;
    const early = dueAt - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    while (quiet.length === 0 || open.size >= atOnce) await Promise.race(open);
    const [conversation = 0] = quiet.splice(Math.floor(random() * quiet.length), 1);
    const turn = next[conversation] as number;
    next[conversation] = turn + 1;
    const due = dueAt;
    const sentAt = performance.now();
    const one = ask(conversation, turn).then(({ status, headers }): Turn => {
      open.delete(one);
      if (turn + 1 < turns) quiet.push(conversation);
      return { conversation, turn, dueAt: due, sentAt, status, node: String(headers['x-localai-node']) };
    });
    asked.push(one);
    open.add(one);
  }
  return Promise.all(asked);
};

/** Milliseconds by which all but 5 % of the turns were sent later than due. */
export const latenessOf = (turns: readonly Turn[]): number =>
  turns.map(({ dueAt, sentAt }) => sentAt - dueAt).toSorted((a, b) => a - b)[Math.floor(turns.length * 0.95)] ?? 0;

/** Share of the turns after the first that reach the worker of their conversation's first turn. */
export const shareAtFirst = (turns: readonly Turn[]): number => {
  const firsts = new Map(turns.filter(({ turn }) => turn === 0).map(({ conversation, node }) => [conversation, node]));
  const later = turns.filter(({ turn }) => turn > 0);
  return later.filter(({ conversation, node }) => firsts.get(conversation) === node).length / later.length;
};

/** Requests by worker, the most first. */
export const perNode = (turns: readonly Pick<Turn, 'node'>[]): readonly (readonly [node: string, count: number])[] => {
  const counts = new Map<string, number>();
  for (const { node } of turns) counts.set(node, (counts.get(node) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
};

/** Most requests on one of `workers` workers, over the mean. */
export const maxToMean = (turns: readonly Pick<Turn, 'node'>[], workers: number): number =>
  (perNode(turns)[0]?.[1] ?? 0) / (turns.length / workers);
