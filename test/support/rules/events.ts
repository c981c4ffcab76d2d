import { each, ill, only, outside, type Rule, tooMany } from './rule.ts';

const GUIDE = 'https://docs.aws.amazon.com/eventbridge/latest/userguide';
const RULE = 'AWS::Events::Rule';

interface EventRule {
  readonly Name?: string;
  readonly Description?: string;
  readonly EventPattern?: object;
  readonly ScheduleExpression?: string;
  readonly Targets?: readonly {
    readonly Id: string;
    readonly RetryPolicy?: { readonly MaximumEventAgeInSeconds?: number; readonly MaximumRetryAttempts?: number };
  }[];
}

/** Each operator, and what may stand behind it. */
const operators: Readonly<Record<string, (argument: unknown) => boolean>> = {
  prefix: (argument) => typeof argument === 'string' || isNested(argument, ['equals-ignore-case']),
  suffix: (argument) => typeof argument === 'string' || isNested(argument, ['equals-ignore-case']),
  'equals-ignore-case': (argument) => typeof argument === 'string',
  wildcard: (argument) => typeof argument === 'string' && !argument.includes('**'),
  cidr: (argument) => typeof argument === 'string',
  exists: (argument) => typeof argument === 'boolean',
  numeric: (argument) => Array.isArray(argument) && argument.length >= 2,
  'anything-but': (argument) =>
    isNested(argument, ['prefix', 'suffix', 'equals-ignore-case', 'wildcard']) ||
    [argument].flat().every((one) => typeof one === 'string' || typeof one === 'number'),
};
const isNested = (argument: unknown, names: readonly string[]): boolean => {
  if (typeof argument !== 'object' || argument === null || Array.isArray(argument)) return false;
  const keys = Object.keys(argument);
  return keys.length === 1 && names.includes(keys[0] ?? '');
};

const patternFaults = (pattern: unknown, place = ''): string[] => {
  if (typeof pattern !== 'object' || pattern === null) return [`${place}: not in a list`];
  if (!Array.isArray(pattern)) {
    const entries = Object.entries(pattern);
    if (entries.length === 0) return [`${place}: empty`];
    return entries.flatMap(([key, value]) => patternFaults(value, `${place}.${key}`));
  }
  if (pattern.length === 0) return [`${place}: an empty list`];
  return pattern.flatMap((item) => {
    if (item === null || ['string', 'number', 'boolean'].includes(typeof item)) return [];
    const [[name = '', argument] = [], ...more] = Object.entries(item as object);
    return more.length === 0 && operators[name]?.(argument) ? [] : [`${place}: ${JSON.stringify(item)}`];
  });
};

export const eventRules: readonly Rule[] = [
  {
    name: 'the syntax of event patterns',
    source: `${GUIDE}/eb-create-pattern-operators.html`,
    breaches: each<EventRule>(RULE, ({ EventPattern }) => (EventPattern ? patternFaults(EventPattern) : [])),
    broken: only(RULE, { EventPattern: { detail: { name: [{ startsWith: '/a' }] } } }),
  },
  {
    name: '2,048 characters of pattern, 5 targets',
    source: `${GUIDE}/eb-quota.html`,
    breaches: each<EventRule>(RULE, ({ EventPattern, Targets }) => [
      outside('characters of pattern', JSON.stringify(EventPattern ?? '').length, 0, 2048),
      tooMany('targets', Targets, 5),
    ]),
    broken: only(RULE, { EventPattern: { source: ['x'.repeat(2048)] } }),
  },
  {
    name: 'names, descriptions and retries of rules and targets',
    source: 'https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html',
    breaches: each<EventRule>(RULE, ({ Name, Description, Targets = [] }) => [
      ill('name', Name, 64, /^[.\-\w]+$/),
      ill('description', Description, 512),
      ...Targets.flatMap(({ Id, RetryPolicy }) => [
        ill('target', Id, 64, /^[.\-\w]+$/),
        outside('MaximumEventAgeInSeconds', RetryPolicy?.MaximumEventAgeInSeconds, 60, 86_400),
        outside('MaximumRetryAttempts', RetryPolicy?.MaximumRetryAttempts, 0, 185),
      ]),
    ]),
    broken: only(RULE, { Targets: [{ Id: 'a b' }] }),
  },
  {
    name: 'how a rate is written: one minute, two minutes',
    source: `${GUIDE}/eb-scheduled-rule-pattern.html`,
    breaches: each<EventRule>(RULE, ({ ScheduleExpression: text }) => [
      text !== undefined &&
        !/^(rate\((1 (minute|hour|day)|(?!1 )[1-9]\d* (minutes|hours|days))\)|cron\(.+\))$/.test(text) &&
        text,
    ]),
    broken: only(RULE, { ScheduleExpression: 'rate(1 minutes)' }),
  },
];
