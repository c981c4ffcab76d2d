import type { StandIn } from '../support/stand-in-worker.ts';
import { type Fault, faults } from './faults.ts';
import { tally } from './tally.ts';

/** One request at a worker, and what it met there. */
export interface Meeting {
  readonly worker: StandIn;
  readonly fault: Fault | undefined;
  readonly at: number;
}

export interface Weather {
  /** What the request with this correlation id met, in order. */
  readonly met: (id: string) => readonly Meeting[];
  /** Workers that were away in this time (`performance.now()`), which cuts what they were about. */
  readonly away: (from: number, to: number) => ReadonlySet<StandIn>;
  /** How often each fault was met. */
  readonly counts: () => Readonly<Record<string, number>>;
  /** Ends it: every worker is well again. */
  readonly clear: () => Promise<void>;
}

export interface WeatherOptions {
  readonly workers: readonly StandIn[];
  readonly random: () => number;
  /** How long a draw lasts, in milliseconds. */
  readonly spellMs: number;
  /** Longer than a request waits for a silent worker, in milliseconds. */
  readonly silenceMs: number;
}

/**
 * Switches faults on and off at random. At any time at least one worker is well, and has been since the draw before,
 * so that whoever is on the way from worker to worker finds it. Behind a worker that died of a request, or is silent, the
 * contract grants one more try only: most often such faults fall on one worker while the others answer.
 */
export const startWeather = ({ workers, random, spellMs, silenceMs }: WeatherOptions): Weather => {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const shuffled = <T>(all: readonly T[]): T[] => {
    const left = [...all];
    return all.map(() => left.splice(Math.floor(random() * left.length), 1)[0] as T);
  };
  /** All of them in turn, in an order that chance shuffles anew each time: the rare ones come too. */
  const deckOf = (all: readonly Fault[]) => {
    let left: Fault[] = [];
    return (): Fault => {
      if (left.length === 0) left = shuffled(all);
      return left.pop() as Fault;
    };
  };
  const now = new Map<StandIn, Fault>();
  const meetings = new Map<string, Meeting[]>();
  const faced: string[] = [];
  const refusing = deckOf(
    faults.filter(({ kind, isSlow, isLast }) => (kind === 'refuses' || kind === 'breaks') && !isSlow && !isLast),
  );
  const deadly = deckOf(faults.filter(({ isLast, isSlow }) => isLast && !isSlow));
  const harmless = deckOf(faults.filter(({ kind }) => kind === 'odd' || kind === 'says'));
  const slow = deckOf(faults.filter(({ isSlow }) => isSlow));
  let well = new Set(workers);
  let calmUntil = 0;
  const departures: { readonly worker: StandIn; readonly at: number; backAt: number }[] = [];
  let gone: StandIn | undefined;
  let ended = false;

  for (const worker of workers) {
    worker.behave((request) => {
      if (request.method !== 'POST') return undefined;
      const fault = now.get(worker);
      const path = request.path.split('?', 1)[0] ?? '';
      const body = request.body.toString('latin1');
      const isSse = !path.startsWith('/api/') && /"stream":\s*true|name="stream"/.test(body);
      const asking = { path, isSse, isDouble: /"n":\s*2\b/.test(body) };
      const isMet = fault && (fault.knows?.(asking) ?? true) ? fault : undefined;
      const id = String(request.headers['x-correlation-id']);
      const before = meetings.get(id) ?? [];
      meetings.set(id, [...before, { worker, fault: isMet, at: performance.now() }]);
      if (isMet) faced.push(isMet.name);
      return isMet?.behaviour;
    });
  }

  const draw = async () => {
    const time = performance.now();
    const isCalm = time < calmUntil;
    const isSilent = !isCalm && random() < 0.15;
    if (isSilent) calmUntil = time + spellMs + 2 * silenceMs;
    const stays = pick([...well]);
    const order = [stays, ...shuffled(workers.filter((worker) => worker !== stays))];
    const wellCount = 1 + Math.floor(random() * (workers.length - 1));
    well = new Set(order.slice(0, wellCount));
    now.clear();
    const isDeadly = !isSilent && !isCalm && random() < 0.4;
    for (const worker of order.slice(wellCount)) {
      if (isSilent && now.size === 0) now.set(worker, slow());
      else if (isDeadly && now.size === 0) now.set(worker, deadly());
      else if (isSilent || isDeadly || isCalm) now.set(worker, harmless());
      else now.set(worker, (random() < 0.8 ? refusing : harmless)());
    }
    await gone?.listen();
    const returned = departures.at(-1);
    if (gone && returned) returned.backAt = performance.now();
    // One that is gone altogether for a while: connections break and are refused.
    gone = !isSilent && !isCalm && random() < 0.3 ? order.slice(wellCount).at(-1) : undefined;
    if (!gone) return;
    departures.push({ worker: gone, at: performance.now(), backAt: Number.POSITIVE_INFINITY });
    faced.push('gone');
    await gone.refuse();
  };

  const blowing = (async () => {
    while (!ended) {
      await draw();
      await new Promise((resolve) => setTimeout(resolve, spellMs));
    }
  })();

  return {
    met: (id) => meetings.get(id) ?? [],
    away: (from, to) =>
      new Set(departures.filter(({ at, backAt }) => backAt >= from && at <= to).map(({ worker }) => worker)),
    counts: () => tally(faced),
    clear: async () => {
      ended = true;
      await blowing;
      now.clear();
      await gone?.listen();
      for (const worker of workers) worker.behave(undefined);
    },
  };
};
