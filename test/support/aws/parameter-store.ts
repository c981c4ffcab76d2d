import { AwsError } from './fault.ts';

export type ParameterType = 'String' | 'StringList' | 'SecureString';

interface Parameter {
  readonly Name: string;
  readonly Type: ParameterType;
  readonly Value: string;
  readonly Version: number;
  readonly LastModifiedDate: number;
}

/** The test's own hand in the store: no limits, no signature, no fault. */
export interface ParameterStore {
  readonly put: (name: string, value: string, type?: ParameterType) => void;
  readonly get: (name: string) => string | undefined;
  readonly delete: (name: string) => void;
  readonly names: () => string[];
  /** Told of each value written through the API, as EventBridge would be. */
  readonly onWrite: (listener: (name: string) => void) => void;
  /** Every value ever written through the API, in order. */
  readonly writes: readonly { readonly name: string; readonly value: string; readonly at: number }[];
}

type Input = Readonly<Record<string, unknown>>;
type Operations = Readonly<Record<string, (input: Input) => object>>;

const invalid = (message: string) => new AwsError('ValidationException', message);
const atMostTen = (names: unknown, field: string): string[] => {
  if (Array.isArray(names) && names.length >= 1 && names.length <= 10) return names.map(String);
  throw invalid(
    `1 validation error detected: Value '${JSON.stringify(names)}' at '${field}' failed to satisfy constraint: ` +
      'Member must have length less than or equal to 10 and greater than or equal to 1',
  );
};
const limits: Readonly<Record<string, number>> = { Standard: 4096, Advanced: 8192, 'Intelligent-Tiering': 8192 };

const checkName = (name: string) => {
  const levels = name.split('/').filter(Boolean);
  const wellFormed = /^\/?[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/.test(name) && (levels.length === 1 || name[0] === '/');
  if (!wellFormed || levels.length > 15 || name.length > 1011) throw invalid(`Parameter name ${name} is not allowed`);
};

/** SSM Parameter Store as its API reference describes it. @returns the API's operations and the test's own hand */
export const createParameterStore = (arnPrefix: string): { operations: Operations; store: ParameterStore } => {
  const parameters = new Map<string, Parameter>();
  const writes: { name: string; value: string; at: number }[] = [];
  let told: (name: string) => void = () => {};
  const write = (Name: string, Value: string, Type: ParameterType) => {
    const Version = (parameters.get(Name)?.Version ?? 0) + 1;
    parameters.set(Name, { Name, Value, Type, Version, LastModifiedDate: Date.now() / 1000 });
    return Version;
  };
  const shown = (parameter: Parameter, { WithDecryption }: Input) => {
    const encrypted = parameter.Type === 'SecureString' && WithDecryption !== true;
    const Value = encrypted ? `AQICAHi${Buffer.from(parameter.Name).toString('base64')}` : parameter.Value;
    return { ...parameter, Value, ARN: `${arnPrefix}:parameter${parameter.Name}`, DataType: 'text' };
  };
  const existing = (name: string) => {
    const found = parameters.get(name);
    if (!found) throw new AwsError('ParameterNotFound', '');
    return found;
  };

  const operations: Operations = {
    GetParameter: (input) => ({ Parameter: shown(existing(String(input.Name)), input) }),

    GetParameters: (input) => {
      const names = atMostTen(input.Names, 'names');
      if (new Set(names).size !== names.length) throw invalid('Duplicate parameter names are not allowed');
      return {
        Parameters: names.flatMap((name) => parameters.get(name) ?? []).map((found) => shown(found, input)),
        InvalidParameters: names.filter((name) => !parameters.has(name)),
      };
    },

    GetParametersByPath: (input) => {
      const path = `${String(input.Path).replace(/\/$/, '')}/`;
      if (!path.startsWith('/')) throw invalid('The path must begin with a slash');
      const size = Number(input.MaxResults ?? 10);
      if (!(size >= 1 && size <= 10)) throw invalid(`Value '${size}' at 'maxResults' must be 1 to 10`);
      const under = [...parameters.values()]
        .filter(({ Name }) => Name.startsWith(path))
        .filter(({ Name }) => input.Recursive === true || !Name.slice(path.length).includes('/'))
        .sort((a, b) => (a.Name < b.Name ? -1 : 1));
      const from = input.NextToken === undefined ? 0 : offsetOf(String(input.NextToken));
      const page = under.slice(from, from + size);
      const more = from + size < under.length ? { NextToken: tokenOf(from + size) } : {};
      return { Parameters: page.map((found) => shown(found, input)), ...more };
    },

    PutParameter: (input) => {
      const name = String(input.Name);
      const value = String(input.Value ?? '');
      const tier = String(input.Tier ?? 'Standard');
      checkName(name);
      if (value === '') throw invalid("Value at 'value' must have length greater than or equal to 1");
      if (/\{\{.*\}\}/s.test(value)) throw invalid('Parameter value can not nest another parameter');
      const found = parameters.get(name);
      if (found && input.Overwrite !== true) {
        const message = 'The parameter already exists. To overwrite this value, set the overwrite option to true.';
        throw new AwsError('ParameterAlreadyExists', message);
      }
      const limit = limits[tier];
      if (limit === undefined) throw invalid(`Value '${tier}' at 'tier' failed to satisfy constraint`);
      if (Buffer.byteLength(value) > limit) {
        throw invalid(`${tier} tier parameters support a maximum parameter value of ${limit} characters.`);
      }
      const type = (input.Type ?? found?.Type) as ParameterType | undefined;
      if (!type) throw invalid('A parameter type is required when you create a parameter.');
      writes.push({ name, value, at: Date.now() });
      const Version = write(name, value, type);
      told(name);
      return { Version, Tier: tier };
    },

    DeleteParameter: (input) => {
      parameters.delete(existing(String(input.Name)).Name);
      return {};
    },

    DeleteParameters: (input) => {
      const names = atMostTen(input.Names, 'names');
      const gone = names.filter((name) => parameters.delete(name));
      return { DeletedParameters: gone, InvalidParameters: names.filter((name) => !gone.includes(name)) };
    },
  };

  const store: ParameterStore = {
    put: (name, value, type = 'String') => void write(name, value, type),
    get: (name) => parameters.get(name)?.Value,
    delete: (name) => void parameters.delete(name),
    onWrite: (listener) => {
      told = listener;
    },
    names: () => [...parameters.keys()].sort(),
    writes,
  };
  return { operations, store };
};

/** Page tokens are opaque to the caller. */
export const tokenOf = (offset: number): string => Buffer.from(`page:${offset}`).toString('base64url');
export const offsetOf = (token: string): number => {
  const [, offset] = /^page:(\d+)$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (offset === undefined) throw new AwsError('InvalidNextToken', 'The specified token is not valid.');
  return Number(offset);
};
