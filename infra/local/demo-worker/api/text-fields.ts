import * as v from 'valibot';

/** A reply without `max_tokens` ends here at the latest. */
export const DEFAULT_MAX_TOKENS = 256;

const said = (what: string) => () => `expected ${what}`;

export const count = v.pipe(
  v.number(said('a number')),
  v.integer(said('a whole number')),
  v.minValue(1, said('1 or more')),
);
export const temperature = v.pipe(
  v.number(said('a number')),
  v.minValue(0, said('0 or more')),
  v.maxValue(2, said('2 at most')),
);
export const seed = v.pipe(v.number(said('a number')), v.integer(said('a whole number')));
export const text = v.string(said('a string'));
export const flag = v.boolean(said('true or false'));
export const model = v.nullish(text);

const stopSequence = v.pipe(text, v.nonEmpty('a stop sequence must not be empty'));
const stopList = v.pipe(
  v.array(stopSequence, said('a string or a list of strings')),
  v.maxLength(16, said('16 at most')),
);

/** One stop sequence or several, as a list. */
export const stop = v.pipe(
  v.nullish(v.union([stopSequence, stopList], said('a non-empty string, or a list of them')), []),
  v.transform((value): string[] => (typeof value === 'string' ? [value] : value)),
);

/** Message content, plain or in parts; only the text of it is read. */
export const content = v.pipe(
  v.nullish(
    v.union(
      [text, v.array(v.looseObject({ type: v.optional(text), text: v.optional(text) }))],
      said('a string or a list of content parts'),
    ),
    '',
  ),
  v.transform((value): string => (typeof value === 'string' ? value : value.map((part) => part.text ?? '').join(''))),
);

const roles: Record<string, 'system' | 'user' | 'assistant'> = {
  system: 'system',
  developer: 'system',
  assistant: 'assistant',
};

export const message = v.pipe(
  v.object({ role: v.optional(text, 'user'), content }, said('an object with role and content')),
  v.transform(({ role, content }) => ({ role: roles[role] ?? ('user' as const), content })),
);

export const messages = v.pipe(
  v.array(message, said('a list of messages')),
  v.nonEmpty('expected at least one message'),
);
