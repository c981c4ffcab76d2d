import type { Template } from '../osls.ts';

/** What AWS publishes about a resource and no schema says. */
export interface Rule {
  readonly name: string;
  /** The page it stands on. */
  readonly source: string;
  /** @returns what is against it, each with its place. */
  readonly breaches: (template: Template) => string[];
  /** A template that breaks it, as small as can be: the rule is no rule unless it finds something here. */
  readonly broken: Template;
}

type Properties = Readonly<Record<string, unknown>>;

/** As long as regions and partitions get. */
const pseudo: Readonly<Record<string, string>> = {
  'AWS::Region': 'ap-southeast-1',
  'AWS::AccountId': '123456789012',
  'AWS::Partition': 'aws-us-gov',
  'AWS::URLSuffix': 'amazonaws.com.cn',
  'AWS::StackName': 'stack',
};
/** What CloudFormation makes of a reference: long, and recognizable. */
const physical = (id: string) => pseudo[id] ?? `arn:aws-us-gov:service:ap-southeast-1:123456789012:${id}-ABCDEFGHIJKLM`;

/** @returns a template's value as CloudFormation would hand it on, with every intrinsic function as a text. */
export const resolved = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== 'object' || value === null) return value;
  const [[name, argument] = []] = Object.entries(value);
  if (name === 'Ref') return physical(String(argument));
  if (name === 'Fn::GetAtt') return physical([argument].flat()[0]);
  if (name === 'Fn::Sub') {
    return String([argument].flat()[0]).replace(/\$\{([^!}]+)\}/g, (_, id: string) => physical(id.split('.')[0] ?? ''));
  }
  if (name === 'Fn::Join') {
    const [separator, parts] = argument as [string, unknown[]];
    return parts.map((part) => String(resolved(part))).join(separator);
  }
  if (name?.startsWith('Fn::')) return physical(name);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item)]));
};

/** @returns what `look` finds wrong with each resource of a type, with its logical id in front. */
export const each =
  <P = Properties>(type: string, look: (properties: P, id: string) => (string | false | undefined)[]) =>
  ({ Resources }: Template): string[] =>
    Object.entries(Resources)
      .filter(([, resource]) => resource.Type === type)
      .flatMap(([id, { Properties: properties = {} }]) =>
        look(resolved(properties) as P, id)
          .filter((found) => found !== false && found !== undefined)
          .map((found) => `${id}: ${found}`),
      );

/** @returns a template with one resource, for `broken`. */
export const only = (Type: string, Properties: Properties): Template => ({ Resources: { One: { Type, Properties } } });

/** Whether a text that may be left out is too long, or has other letters than it may have. */
export const ill = (what: string, value: unknown, longest: number, letters?: RegExp): string | false =>
  value !== undefined &&
  (String(value).length > longest || letters?.test(String(value)) === false) &&
  `${what} "${value}": at most ${longest} characters${letters ? ` of ${letters}` : ''}`;

/** Whether a number that may be left out is outside of its range. */
export const outside = (what: string, value: unknown, least: number, most: number): string | false =>
  value !== undefined && !(Number(value) >= least && Number(value) <= most) && `${what} ${value}: ${least} to ${most}`;

/** Whether a list that may be left out has too many. */
export const tooMany = (what: string, list: readonly unknown[] | undefined, most: number): string | false =>
  (list?.length ?? 0) > most && `${list?.length} ${what}: at most ${most}`;
