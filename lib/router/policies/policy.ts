import type { Load } from '../../engines/engine.ts';
import type { Worker } from '../../worker.ts';

/** What a policy may know about a request. Sizes in tokens, guessed as bytes / 4. */
export interface Hints {
  /** The worker's name for the model; absent when the request names none. */
  readonly model?: string | undefined;
  /** Names the conversation: a session id, else system prompt + first user turn. Absent: a request of its own. */
  readonly conversationKey?: string | undefined;
  /** The system prompt, or what stands for it. */
  readonly systemKey?: string | undefined;
  readonly systemTokens: number;
  /** The whole prompt, system prompt included. */
  readonly promptTokens: number;
  /** How often this key came lately without its prompt growing (`createRepeats`); counts where no load is known. */
  readonly repeats?: number | undefined;
}

/** A worker that may take the request. */
export interface Place {
  readonly worker: Worker;
  /** Added to the worker's load: how many requests shorter its queue must be to be worth leaving an earlier place. */
  readonly penalty: number;
  /** Share of the requests it takes when no place's load is known; over all places of a request they add up to 1. */
  readonly odds: number;
}

/**
 * What a probe saw: a load, `busy` for a worker that did not answer in time, `asleep` for one that must not be sent a
 * request, `undefined` when there is no signal.
 */
export type Seen = Load | 'busy' | 'asleep' | undefined;

/** Uniform in [0, 1), as `Math.random`. */
export type Random = () => number;

/**
 * Which workers to look at for a request. Choosing has two pure phases: `places` names a few workers, the caller
 * probes all of them at once (not when there is only one), and `choose` takes one. Neither reads a clock, keeps state
 * or does I/O, so a simulator can run them as shipped.
 */
export interface Policy {
  readonly name: string;
  /**
   * @param candidates workers that can serve the request; none of them twice
   * @returns distinct workers in order of preference; empty only without candidates
   */
  places(candidates: readonly Worker[], hints: Hints, random: Random): readonly Place[];
}

/** A waiting request stands for its whole prefill and decode, a running one is already part of a batch. */
const loadOf = ({ running, waiting }: Load): number => running + 3 * waiting;

/** One place by chance, each with its share of the odds of those given. */
const byOdds = (places: readonly Place[], random: Random): Place | undefined => {
  const total = places.reduce((sum, { odds }) => sum + odds, 0);
  let left = random() * total;
  for (const place of places) {
    left -= place.odds;
    if (left < 0) return place;
  }
  return places[0];
};

/**
 * The least load + penalty; a tie goes to the earlier place. A place without a signal counts with the mean of the
 * others, so that it neither draws traffic nor is shunned. A busy one is taken only when no other is left. Where the
 * winner's load is not known, the places' own odds decide, so that a popular key cannot bury it.
 *
 * @param all the places
 * @param saw what the probes saw, one per place
 * @returns one of those that are not asleep, `undefined` only when there are none
 */
export const choose = (all: readonly Place[], saw: readonly Seen[], random: Random): Place | undefined => {
  const places = all.filter((_, i) => saw[i] !== 'asleep');
  const seen = saw.filter((one) => one !== 'asleep');
  const calm = places.flatMap((place, i) => (seen[i] === 'busy' ? [] : [{ place, load: seen[i] as Load | undefined }]));
  const known = calm.flatMap(({ load }) => (load ? [loadOf(load)] : []));
  const open = calm.length === 0 ? places : calm.map(({ place }) => place);
  if (known.length === 0) return byOdds(open, random);
  const mean = known.reduce((sum, load) => sum + load, 0) / known.length;
  const costOf = ({ place, load }: (typeof calm)[number]) => (load ? loadOf(load) : mean) + place.penalty;
  const best = calm.reduce((least, place) => (costOf(place) < costOf(least) ? place : least));
  return best.load ? best.place : byOdds(open, random);
};
