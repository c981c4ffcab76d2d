import { affinity } from './affinity.ts';
import type { Policy } from './policy.ts';
import { powerOfTwo } from './power-of-two.ts';
import { random } from './random.ts';

/** By the value of `GATEWAY_POLICY`. */
export const policies = { affinity, 'power-of-two': powerOfTwo, random } as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof policies;

/** What `GATEWAY_POLICY` may say. */
export const policyNames = Object.keys(policies) as readonly PolicyName[];
