import type { Hints } from './policies/policy.ts';
import { hashOf } from './policies/rendezvous.ts';

/** A count is worth half of itself this long after. */
const HALF_LIFE_MS = 30_000;

/** Keys remembered; the one not seen for longest goes first. */
const LIMIT = 256;

interface Entry {
  readonly promptTokens: number;
  readonly count: number;
  readonly at: number;
}

export interface Repeats {
  /** Takes note of a request and @returns how often its key came before without growing; recent ones count more. */
  count(hints: Hints): number;
}

/**
 * Tells a hot key from a long conversation where no worker reports load. The prompt of one conversation grows from
 * turn to turn; the same key with a prompt that did not grow is another conversation with the same beginning. An
 * environment sees a fair sample of the fleet's requests, so what is hot for the fleet is hot here.
 *
 * @param now milliseconds of the wall clock; read, never counted, since environments freeze
 */
export const createRepeats = ({ now = Date.now }: { now?: () => number } = {}): Repeats => {
  const entries = new Map<string, Entry>();
  return {
    count(hints) {
      const key = hints.conversationKey ?? hints.systemKey;
      if (key === undefined) return 0;
      const { high, low } = hashOf(hints.model ?? '', key);
      const id = `${high}:${low}`;
      const at = now();
      const last = entries.get(id);
      const age = last ? Math.max(0, at - last.at) : 0;
      const faded = last ? last.count * 2 ** (-age / HALF_LIFE_MS) : 0;
      const count = last && hints.promptTokens <= last.promptTokens ? faded + 1 : faded;
      entries.delete(id);
      entries.set(id, { promptTokens: hints.promptTokens, count, at });
      if (entries.size > LIMIT) entries.delete(entries.keys().next().value as string);
      return count;
    },
  };
};
