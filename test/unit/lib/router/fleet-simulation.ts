import type { Policy, Random, Seen } from '../../../../lib/router/policies/policy.ts';
import { choose, type Hints } from '../../../../lib/router/policies/policy.ts';
import type { Worker } from '../../../../lib/worker.ts';

export const fleetOf = (size: number): Worker[] =>
  Array.from({ length: size }, (_, i) => ({
    id: `node-${i}`,
    name: `n${i}`,
    url: `http://10.0.0.${i}`,
    status: 'healthy',
    engine: 'vllm',
  }));

export interface Request {
  /** Seconds. */
  readonly at: number;
  readonly hints: Hints;
  readonly conversation: string;
}

export interface Served {
  readonly request: Request;
  readonly worker: string;
  /** Seconds from arrival to the end of the answer. */
  readonly took: number;
}

interface Queue {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * A fleet of workers with a queue each, in simulated time: a request is probed for at its arrival, reaches its worker
 * half a millisecond later and occupies one of its slots for an exponential time. Every run is a function of its seed.
 *
 * @param slots requests a worker answers at once
 * @param seconds mean time of an answer
 * @param reports whether workers report load
 */
export const simulate = (
  policy: Policy,
  requests: readonly Request[],
  {
    workers,
    slots,
    seconds,
    random,
    reports = true,
    candidates = () => workers,
  }: {
    workers: readonly Worker[];
    slots: number;
    seconds: number;
    random: Random;
    reports?: boolean;
    candidates?: (at: number) => readonly Worker[];
  },
): Served[] => {
  const queues = new Map(workers.map(({ id }): [string, Queue] => [id, { running: 0, waiting: [] }]));
  const served: Served[] = [];
  const events: { at: number; run: () => void }[] = [];
  let clock = 0;
  const after = (delay: number, run: () => void) => {
    const event = { at: clock + delay, run };
    let low = 0;
    for (let high = events.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((events[middle] as typeof event).at > event.at) low = middle + 1;
      else high = middle;
    }
    events.splice(low, 0, event);
  };
  const arrive = (request: Request) => {
    const places = policy.places(candidates(clock), request.hints, random);
    const seen = places.map(({ worker }): Seen => {
      const { running, waiting } = queues.get(worker.id) as Queue;
      return reports ? { running, waiting: waiting.length } : undefined;
    });
    const { id } = (choose(places, seen, random) as { worker: Worker }).worker;
    const queue = queues.get(id) as Queue;
    const begin = () => {
      queue.running += 1;
      after(-Math.log(1 - random()) * seconds, () => {
        queue.running -= 1;
        served.push({ request, worker: id, took: clock - request.at });
        queue.waiting.shift()?.();
      });
    };
    after(0.0005, () => (queue.running < slots ? begin() : queue.waiting.push(begin)));
  };
  for (const request of requests) {
    clock = request.at;
    after(0, () => arrive(request));
  }
  for (let event = events.pop(); event; event = events.pop()) {
    clock = event.at;
    event.run();
  }
  return served;
};

/** Chats that begin at random times, each turn `tokensPerTurn` longer; `perSecond` requests over all. */
export const chats = (
  count: number,
  turns: number,
  { perSecond, random, tokensPerTurn = 150 }: { perSecond: number; random: Random; tokensPerTurn?: number },
): Request[] => {
  const length = (count * turns) / perSecond;
  return Array.from({ length: count }, (_, chat) => {
    const times = Array.from({ length: turns }, () => random() * length).toSorted((a, b) => a - b);
    return times.map((at, turn) => ({
      at,
      conversation: `chat-${chat}`,
      hints: {
        model: 'm',
        conversationKey: `chat-${chat}`,
        systemKey: 'be kind',
        systemTokens: 50,
        promptTokens: 50 + (turn + 1) * tokensPerTurn,
      },
    }));
  }).flat();
};

/** Share of the turns after the first that reach the worker of the first. */
export const shareAtFirst = (served: readonly Served[]): number => {
  const inOrder = served.toSorted((a, b) => a.request.at - b.request.at);
  const firsts = new Map<string, string>();
  let same = 0;
  let later = 0;
  for (const { request, worker } of inOrder) {
    const first = firsts.get(request.conversation);
    if (first === undefined) firsts.set(request.conversation, worker);
    else {
      later += 1;
      if (first === worker) same += 1;
    }
  }
  return same / later;
};

/** Most loaded worker's number of requests, relative to the mean. */
export const maxToMean = (served: readonly Served[], size: number): number => {
  const counts = new Map<string, number>();
  for (const { worker } of served) counts.set(worker, (counts.get(worker) ?? 0) + 1);
  return Math.max(...counts.values()) / (served.length / size);
};
