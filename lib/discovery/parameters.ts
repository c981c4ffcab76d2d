import * as v from 'valibot';
import { readJson } from '../json.ts';
import { parseKeys } from './keys.ts';
import { workerKey } from './listed-worker.ts';

/** What an operator may put below the prefix; each reader returns `undefined` for a malformed value. */
const settings = {
  'runtime/expose-node-header': (text: string) => {
    const value = text.trim();
    return value === 'true' || value === 'false' ? value === 'true' : undefined;
  },
  'runtime/api-keys': parseKeys,
  'runtime/admin-keys': parseKeys,
  'runtime/worker-keys': (text: string) => parseRecord(text, workerKey),
  'runtime/aliases': (text: string) => parseRecord(text, modelName),
} as const;

type Settings = typeof settings;
export type SettingName = keyof Settings;
type SettingValue<N extends SettingName> = NonNullable<ReturnType<Settings[N]>>;

export const settingNames = Object.keys(settings) as readonly SettingName[];

const modelName = v.pipe(v.string(), v.nonEmpty());

const parseRecord = (
  text: string,
  value: v.GenericSchema<string, string>,
): Readonly<Record<string, string>> | undefined => {
  const result = v.safeParse(v.record(v.string(), value), readJson(text));
  return result.success ? result.output : undefined;
};

/** @returns the key of a service's workers. A service may be called anything, `constructor` too. */
export const workerKeyOf = (keys: Readonly<Record<string, string>>, service: string): string | undefined =>
  Object.hasOwn(keys, service) ? keys[service] : undefined;

/** One setting as found: absent, malformed, or a value. */
export type SettingFound<N extends SettingName> =
  | { readonly state: 'absent' | 'malformed' }
  | { readonly state: 'value'; readonly value: SettingValue<N> };

/** Reads one setting from the parameters found. */
export const readSetting = <N extends SettingName>(found: ReadonlyMap<string, string>, name: N): SettingFound<N> => {
  const text = found.get(name);
  if (text === undefined) return { state: 'absent' };
  const value = settings[name](text) as SettingValue<N> | undefined;
  return value === undefined ? { state: 'malformed' } : { state: 'value', value };
};
