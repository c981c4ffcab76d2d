import type { Input, Operations } from './json-api.ts';

export interface ParameterStore {
  /** Behind `X-Amz-Target: AmazonSSM.`. */
  readonly operations: Operations;
  put(name: string, value: string): void;
}

/**
 * SSM's Parameter Store, as far as the gateway uses it.
 * @param onChange told of each write through the API, as EventBridge is.
 */
export const createParameterStore = (
  onChange: (name: string, operation: 'Create' | 'Update') => void,
): ParameterStore => {
  const parameters = new Map<string, { Name: string; Value: string; Type: string; Version: number }>();
  const put = (Name: string, Value: string, Type = 'String'): number => {
    const Version = (parameters.get(Name)?.Version ?? 0) + 1;
    parameters.set(Name, { Name, Value, Type, Version });
    return Version;
  };
  const operations: Operations = {
    GetParameters({ Names }: Input) {
      const names = Names as string[];
      return {
        Parameters: names.flatMap((name) => parameters.get(name) ?? []),
        InvalidParameters: names.filter((name) => !parameters.has(name)),
      };
    },
    GetParametersByPath({ Path }: Input) {
      return { Parameters: [...parameters.values()].filter(({ Name }) => Name.startsWith(`${Path}/`)) };
    },
    PutParameter({ Name, Value, Type }: Input) {
      const name = String(Name);
      const operation = parameters.has(name) ? 'Update' : 'Create';
      const Version = put(name, String(Value), Type === undefined ? undefined : String(Type));
      onChange(name, operation);
      return { Version, Tier: 'Standard' };
    },
  };
  return { operations, put: (name, value) => void put(name, value) };
};
