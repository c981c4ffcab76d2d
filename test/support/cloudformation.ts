import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';
import type { Template } from './osls.ts';

type Database = ReturnType<typeof loadAwsServiceSpecSync>;
type Spec = ReturnType<Database['get']> & {
  properties: Record<string, { type: Type; previousTypes?: Type[]; required?: boolean }>;
};
interface Type {
  readonly type: string;
  readonly element?: Type;
  readonly types?: readonly Type[];
  readonly reference?: { readonly $ref: string };
  readonly allowedValues?: readonly string[];
}

const PSEUDO = new Set(
  ['Partition', 'Region', 'AccountId', 'URLSuffix', 'StackName', 'StackId', 'NoValue', 'NotificationARNs'].map(
    (name) => `AWS::${name}`,
  ),
);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const intrinsicOf = (value: unknown): string | undefined => {
  const keys = isObject(value) ? Object.keys(value) : [];
  return keys.length === 1 && /^(Ref|Condition|Fn::\w+)$/.test(keys[0] ?? '') ? keys[0] : undefined;
};

let loaded: Database | undefined;

/** AWS's published resource schemas, loaded once. */
const database = (): Database => (loaded ??= loadAwsServiceSpecSync());

const resourceSpec = (type: string) => database().lookup('resource', 'cloudFormationType', 'equals', type)[0];

/** Checks one value against a type of the schema. @returns what is wrong, each with its place. */
const check = (value: unknown, type: Type, place: string): string[] => {
  if (value === undefined || value === null) return [`${place}: no value`];
  // What an intrinsic function gives is known at deployment only; what it refers to is checked by `references`.
  if (intrinsicOf(value)) return [];
  const wrong = (expected: string) => [`${place}: ${JSON.stringify(value)} is not ${expected}`];
  switch (type.type) {
    case 'string':
      if (type.allowedValues && !type.allowedValues.includes(String(value))) {
        return wrong(`one of ${type.allowedValues.join(', ')}`);
      }
      return ['string', 'number', 'boolean'].includes(typeof value) ? [] : wrong('a string');
    case 'integer':
      return Number.isInteger(typeof value === 'string' && value ? Number(value) : value) ? [] : wrong('an integer');
    case 'number':
      return typeof value === 'number' ? [] : wrong('a number');
    case 'boolean':
      return typeof value === 'boolean' ? [] : wrong('a boolean');
    case 'json':
      return isObject(value) || typeof value === 'string' ? [] : wrong('JSON');
    case 'date-time':
      return typeof value === 'string' ? [] : wrong('a date');
    case 'tag':
      return isObject(value) && 'Key' in value && 'Value' in value ? [] : wrong('a tag');
    case 'array':
      if (!Array.isArray(value)) return wrong('a list');
      return value.flatMap((item, index) => check(item, type.element as Type, `${place}[${index}]`));
    case 'map':
      if (!isObject(value)) return wrong('a map');
      return Object.entries(value).flatMap(([key, item]) => check(item, type.element as Type, `${place}.${key}`));
    case 'ref': {
      const definition = database().get('typeDefinition', type.reference?.$ref as never) as unknown as Spec;
      return isObject(value) ? checkProperties(value, definition.properties, place) : wrong('an object');
    }
    case 'union': {
      const results = (type.types ?? []).map((one) => check(value, one, place));
      return results.some((problems) => problems.length === 0)
        ? []
        : (results.sort((a, b) => a.length - b.length)[0] ?? []);
    }
    default:
      return [`${place}: the check does not know the type ${type.type}`];
  }
};

const checkProperties = (value: Record<string, unknown>, properties: Spec['properties'], place: string): string[] => {
  const missing = Object.entries(properties)
    .filter(([name, { required }]) => required && !(name in value))
    .map(([name]) => `${place}: ${name} is required`);
  const problems = Object.entries(value).flatMap(([name, item]) => {
    const property = properties[name];
    if (!property) return [`${place}: unknown property ${name}`];
    const [best = []] = [property.type, ...(property.previousTypes ?? [])]
      .map((type) => check(item, type, `${place}.${name}`))
      .sort((a, b) => a.length - b.length);
    return best;
  });
  return [...missing, ...problems];
};

/**
 * Checks every property of every resource: that it exists, has the right type and a value that is allowed, and that
 * nothing required is missing.
 * @returns what is wrong, one line each.
 */
export const schemaProblems = ({ Resources }: Template): string[] =>
  Object.entries(Resources).flatMap(([id, { Type: type, Properties = {} }]) => {
    const spec = resourceSpec(type);
    return spec
      ? checkProperties({ ...Properties }, spec.properties as unknown as Spec['properties'], id)
      : [`${id}: unknown resource type ${type}`];
  });

/** Calls `visit` for every intrinsic function below a value. */
const intrinsics = (value: unknown, visit: (name: string, argument: unknown) => void): void => {
  if (Array.isArray(value)) for (const item of value) intrinsics(item, visit);
  else if (isObject(value)) {
    const name = intrinsicOf(value);
    if (name) visit(name, value[name]);
    for (const item of Object.values(value)) intrinsics(item, visit);
  }
};

const attributesOf = ({ Resources }: Template, id: string): string[] | undefined => {
  const spec = resourceSpec(Resources[id]?.Type ?? '');
  // A property of the primary identifier can be read too.
  return spec && [...Object.keys(spec.attributes), ...Object.keys(spec.properties)];
};

/** @returns references to what is not in the template, and to attributes that a resource does not have. */
export const unresolvedReferences = (template: Template): string[] => {
  const problems: string[] = [];
  const known = (name: string) => name in template.Resources || PSEUDO.has(name) || name in (template.Parameters ?? {});
  const attribute = (id: string, name: string) => {
    if (!(id in template.Resources)) problems.push(`GetAtt ${id}.${name}: there is no ${id}`);
    else if (!attributesOf(template, id)?.includes(name)) problems.push(`GetAtt ${id}.${name}: no such attribute`);
  };
  intrinsics([template.Resources, template.Outputs], (name, argument) => {
    if (name === 'Ref' && !known(String(argument))) problems.push(`Ref ${argument}: there is none`);
    if (name === 'Fn::GetAtt') {
      const [id = '', ...path] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
      attribute(id, path.join('.'));
    }
    if (name === 'Fn::Sub') {
      const [text, variables = {}] = Array.isArray(argument) ? argument : [argument];
      for (const [, wanted = ''] of String(text).matchAll(/\$\{([^!}]+)\}/g)) {
        if (wanted in (variables as object) || known(wanted)) continue;
        const [id = '', ...path] = wanted.split('.');
        if (path.length) attribute(id, path.join('.'));
        else problems.push(`Sub \${${wanted}}: there is none`);
      }
    }
  });
  for (const [id, { DependsOn = [] }] of Object.entries(template.Resources)) {
    for (const other of [DependsOn].flat()) {
      if (!(other in template.Resources)) problems.push(`${id} depends on ${other}: there is none`);
    }
  }
  return problems;
};

/** @returns resources that (through others) refer to themselves, which CloudFormation cannot order. */
export const circularResources = ({ Resources }: Template): string[] => {
  const needs = new Map<string, Set<string>>();
  for (const [id, resource] of Object.entries(Resources)) {
    const found = new Set<string>([resource.DependsOn ?? []].flat());
    intrinsics(resource.Properties, (name, argument) => {
      if (name === 'Ref') found.add(String(argument));
      if (name === 'Fn::GetAtt')
        found.add(String(Array.isArray(argument) ? argument[0] : argument).split('.')[0] ?? '');
      if (name === 'Fn::Sub') {
        const [text] = [argument].flat();
        for (const [, wanted = ''] of String(text).matchAll(/\$\{([^!}]+)\}/g)) found.add(wanted.split('.')[0] ?? '');
      }
    });
    needs.set(id, found);
  }
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    [...(needs.get(from) ?? [])].some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  return Object.keys(Resources).filter((id) => reaches(id, id, new Set()));
};

/**
 * Whether one of CloudFront's path patterns matches.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html#DownloadDistValuesPathPattern
 */
export const pathMatches = (pattern: string, path: string): boolean => {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${source.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(path);
};
