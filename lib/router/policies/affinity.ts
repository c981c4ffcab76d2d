import type { Worker } from '../../worker.ts';
import type { Hints, Place, Policy, Random } from './policy.ts';
import { powerOfTwo } from './power-of-two.ts';
import { anyOf } from './random.ts';
import { type Hash, hashOf, scoresOf } from './rendezvous.ts';

/** From here on a shared system prompt is worth more than the conversation's own turns. */
const LONG_SYSTEM_TOKENS = 1000;

/** Prompt tokens that one more queued request is worth: about an eighth of a second of prefill on an L4-class card. */
const TOKENS_PER_REQUEST = 500;

/**
 * Leaving home for one request more is never worth it: two requests of chance meet on a worker all the time, also in an
 * idle fleet, and a short prompt's conversation would wander (simulated: 2-4 % of turns at a quarter of a request in
 * flight per worker, 0.2 % with this floor, and no longer waits at 70 % of the slots).
 */
const LEAST_PENALTY = 2;

/** Without any load: how many requests stay home, for each one that is sent elsewhere on a guess, per unit of penalty. */
const STAY_HOME = 4;

/** The worker with the highest score that is not taken yet, among those with at least `floor` in `gate`. */
const best = (
  workers: readonly Worker[],
  scores: Float64Array,
  taken: readonly Worker[],
  gate = scores,
  floor = Number.NEGATIVE_INFINITY,
): Worker | undefined => {
  let found: Worker | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  workers.forEach((worker, i) => {
    const score = scores[i] as number;
    if (score <= highest || (gate[i] as number) < floor || taken.includes(worker)) return;
    highest = score;
    found = worker;
  });
  return found;
};

/** Places by conversation alone: its two best workers. */
const pair = (workers: readonly Worker[], conversation: Hash): Worker[] => {
  const scores = scoresOf(workers, conversation);
  const first = best(workers, scores, []);
  const second = first && best(workers, scores, [first]);
  return [first, second].filter((worker) => worker !== undefined);
};

/**
 * Places by system prompt: among its 1, N^1/3 and N^2/3 best workers the one that suits the conversation best. A
 * tenant that outgrows one worker widens ring by ring instead of spilling over the whole fleet.
 */
const rings = (workers: readonly Worker[], system: Hash, conversation: Hash): Worker[] => {
  const bySystem = scoresOf(workers, system);
  const byConversation = scoresOf(workers, conversation);
  const descending = bySystem.toSorted().reverse();
  const third = Math.cbrt(workers.length);
  const taken: Worker[] = [];
  for (const size of [1, third, third * third]) {
    // The root of a cube is not always whole in floating point.
    const floor = descending[Math.ceil(size - 1e-9) - 1];
    const worker = best(workers, byConversation, taken, bySystem, floor);
    if (worker) taken.push(worker);
  }
  return taken;
};

/** A worker that no key names, so that a key more popular than its workers can always get away. */
const elsewhere = (workers: readonly Worker[], taken: readonly Worker[], random: Random): Worker | undefined =>
  anyOf(
    workers.filter((worker) => !taken.includes(worker)),
    random,
  );

/**
 * Which keyed place is home while nothing is known about load. A conversation has its first worker. The conversations
 * of one long system prompt share its rings out among themselves, each always the same one: a third on the innermost.
 */
const homeOf = (keyed: number, isRings: boolean, hints: Hints, conversation: Hash, random: Random): number => {
  if (!isRings) return 0;
  if (hints.conversationKey === undefined) return Math.floor(random() * keyed);
  return (conversation.low >>> 0) % keyed;
};

/**
 * Keeps a conversation, or the users of one long system prompt, where their prefix is cached, as long as that costs
 * less than it saves. The keyed workers come first, then one by chance; each further place must be `1 + promptTokens /
 * 500` requests (at least 2) less loaded to be worth the cache miss. Requests without a key get two workers by chance.
 *
 * **Without load** (engines that report none, or all probes silent) there is no telling whether a key is hot, so the
 * fallback is plain: home takes all but a share of `(1 + repeats) / (1 + repeats + 4 penalty)`, which goes to the random
 * place. A key that keeps coming with a prompt that does not grow is not one conversation but many,
 * and is let go, the shorter its prompt (the cheaper its miss) the sooner. Overload that nobody can see is worse than
 * a miss: it has no end.
 */
export const affinity: Policy = {
  name: 'affinity',
  places(candidates, hints, random) {
    const key = hints.conversationKey ?? hints.systemKey;
    if (key === undefined) return powerOfTwo.places(candidates, hints, random);
    const model = hints.model ?? '';
    const conversation = hashOf('conversation', model, key);
    const isRings =
      hints.systemKey !== undefined &&
      hints.systemTokens >= LONG_SYSTEM_TOKENS &&
      hints.systemTokens * 2 >= hints.promptTokens;
    const keyed = isRings
      ? rings(candidates, hashOf('system', model, hints.systemKey as string), conversation)
      : pair(candidates, conversation);
    const other = elsewhere(candidates, keyed, random);

    const step = Math.max(LEAST_PENALTY, 1 + hints.promptTokens / TOKENS_PER_REQUEST);
    const repeats = hints.repeats ?? 0;
    const leave = other ? (1 + repeats) / (1 + repeats + STAY_HOME * step) : 0;
    const home = homeOf(keyed.length, isRings, hints, conversation, random);
    const places: Place[] = keyed.map((worker, i) => ({
      worker,
      penalty: i * step,
      odds: i === home ? 1 - leave : 0,
    }));
    if (other) places.push({ worker: other, penalty: keyed.length * step, odds: leave });
    return places;
  },
};
