import type { SendOptions } from '../support/http.ts';
import { type Operation, pathOf } from '../support/operations.ts';

/** A request that no worker should see, and the status it deserves. */
export interface Mistake {
  readonly status: number;
  readonly path: string;
  readonly options: SendOptions;
  /** False: the platform refuses it before any function runs, in its own words. */
  readonly isOurs: boolean;
}

const json = { 'content-type': 'application/json' };

/** @returns a mistake a client may make with this operation. */
export const mistakeWith = (one: Operation, model: string, random: () => number): Mistake => {
  const path = pathOf(one, model);
  const isForm = one.body(model) instanceof FormData;
  const mistakes: readonly Omit<Mistake, 'isOurs'>[] = [
    { status: 404, path: `${path}/nothing/here`, options: { body: {} } },
    { status: 405, path, options: { method: 'DELETE' } },
    {
      status: 400,
      path,
      options: { headers: isForm ? { 'content-type': 'multipart/form-data; boundary=b' } : json, body: '{' },
    },
    { status: 404, path: pathOf(one, 'nobody-has-it'), options: { body: one.body('nobody-has-it') } },
    { status: 413, path, options: { headers: json, body: Buffer.alloc(6_400_000, ' ') } },
  ];
  const mistake = mistakes[Math.floor(random() * mistakes.length)] as Omit<Mistake, 'isOurs'>;
  return { ...mistake, isOurs: mistake.status !== 413 };
};
