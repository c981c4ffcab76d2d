import type { CredentialsProvider, Environment } from '../aws/environment.ts';
import { createGetParameters, createSsmCall, type GetParameters } from '../aws/ssm-client.ts';
import { log as systemLog } from '../telemetry/log.ts';
import type { Clock } from '../time/clock.ts';
import { type Attempt, createCached } from './cached.ts';
import { FleetError, POINTER_NAME } from './fleet.ts';
import { firstFleetNames, type ReadFleet, readBelow, readFleet } from './fleet-reader.ts';
import { digestEntry, noKey } from './keys.ts';
import { readSetting, type SettingName, settingNames, workerKeyOf } from './parameters.ts';
import { sleepersOf } from './scaled-service.ts';
import type { Snapshot, Source } from './source.ts';
import type { StaticWorkers } from './static.ts';

export interface SsmSourceOptions {
  /** `GATEWAY_SSM_PREFIX`, no trailing slash. */
  readonly prefix: string;
  readonly ttlMs: number;
  /** Used while `runtime/expose-node-header` does not exist. */
  readonly exposeNodeHeader: boolean;
  /** Plain keys from the environment, accepted beside those of SSM. */
  readonly apiKeys: readonly string[];
  readonly adminKeys: readonly string[];
  /** Given: these workers, cached as long as parameters are, and not the registrar's fleet, which is then not read. */
  readonly staticWorkers?: StaticWorkers | undefined;
  /** AWS's own variables, usually `process.env`. */
  readonly env: Environment;
  /** Default: those of `env`. */
  readonly credentials?: CredentialsProvider | undefined;
  readonly log?: typeof systemLog;
  readonly getParameters?: GetParameters;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** The fleet's part of a snapshot. */
type Shown = Pick<Snapshot, 'workers' | 'services' | 'sleepers'>;

const shownOf = ({ workers: listed, services }: ReadFleet, keyOf: (service: string) => string | undefined): Shown => {
  const scaled = new Set(services.map(({ name }) => name));
  const workers = listed.map(({ service, ...worker }) => ({
    ...worker,
    apiKey: keyOf(service),
    ...(scaled.has(service) && { scaledBy: service }),
  }));
  if (services.length === 0) return { workers };
  return { workers, services, sleepers: sleepersOf(services, workers) };
};

/**
 * Settings and fleet from SSM: one `GetParameters` with ten fixed names per environment and TTL, one more call per ten
 * further shards, and that only when the fleet changed.
 *
 * A malformed parameter is logged by name, once per value, and the others count: the node header is then off, keys are
 * closed, and of aliases, worker keys and fleet the last good value stays.
 */
export const createSsmSource = ({
  prefix,
  ttlMs,
  exposeNodeHeader,
  apiKeys,
  adminKeys,
  staticWorkers,
  env,
  credentials,
  log = systemLog,
  getParameters = createGetParameters(createSsmCall(env, credentials)),
  clock,
  random,
}: SsmSourceOptions): Source => {
  const read = readBelow(getParameters, prefix);
  const names = staticWorkers ? settingNames : [...settingNames, ...firstFleetNames];
  const environmentKeys = {
    'runtime/api-keys': apiKeys.map((key) => digestEntry(key) ?? noKey),
    'runtime/admin-keys': adminKeys.map((key) => digestEntry(key) ?? noKey),
  };
  const complaints = new Map<string, string>();
  let aliases: Readonly<Record<string, string>> = {};
  let workerKeys: Readonly<Record<string, string>> = {};
  let fleet: ReadFleet | undefined;
  let keyed: { readonly fleet: ReadFleet; readonly keys: string; readonly shown: Shown } | undefined;

  const complain = (name: string, value: string, reason: string) => {
    if (complaints.get(name) === value) return;
    complaints.set(name, value);
    log('error', 'parameter_malformed', { parameter: `${prefix}/${name}`, reason });
  };

  const setting = <N extends SettingName>(found: ReadonlyMap<string, string>, name: N) => {
    const result = readSetting(found, name);
    if (result.state === 'malformed') complain(name, found.get(name) ?? '', 'not a value this parameter can have');
    else complaints.delete(name);
    return result;
  };

  const keys = (found: ReadonlyMap<string, string>, name: 'runtime/api-keys' | 'runtime/admin-keys') => {
    const result = setting(found, name);
    if (result.state === 'value') return [...environmentKeys[name], ...result.value];
    return result.state === 'malformed' ? [...environmentKeys[name], noKey] : environmentKeys[name];
  };

  const record = (found: ReadonlyMap<string, string>, name: 'runtime/aliases' | 'runtime/worker-keys') => {
    const result = setting(found, name);
    if (result.state === 'malformed') return name === 'runtime/aliases' ? aliases : workerKeys;
    return result.state === 'value' ? result.value : {};
  };

  const readShown = async (found: ReadonlyMap<string, string>, attempt: Attempt): Promise<Shown> => {
    try {
      const next = await readFleet(read, found, attempt, fleet);
      if (next) complaints.delete(POINTER_NAME);
      else if (fleet) complain(POINTER_NAME, '', 'the fleet is gone; serving the last one');
      fleet = next ?? fleet;
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      complain(POINTER_NAME, found.get(POINTER_NAME) ?? '', error.message);
    }
    if (!fleet) throw new FleetError('there is no fleet snapshot: has the registrar run?');
    const keyText = JSON.stringify(workerKeys);
    // The same arrays as long as nothing changed: the router hangs its own state on them.
    if (keyed?.fleet.workers !== fleet.workers || keyed.fleet.services !== fleet.services || keyed.keys !== keyText) {
      const shown = shownOf(fleet, (service) => workerKeyOf(workerKeys, service));
      keyed = { fleet, keys: keyText, shown };
    }
    return keyed.shown;
  };

  const load = async (attempt: Attempt): Promise<Snapshot> => {
    const found = await read(names, attempt);
    aliases = record(found, 'runtime/aliases');
    workerKeys = record(found, 'runtime/worker-keys');
    const header = setting(found, 'runtime/expose-node-header');
    return {
      ...(staticWorkers ? { workers: [] } : await readShown(found, attempt)),
      exposeNodeHeader: header.state === 'absent' ? exposeNodeHeader : header.state === 'value' && header.value,
      apiKeys: keys(found, 'runtime/api-keys'),
      adminKeys: keys(found, 'runtime/admin-keys'),
      aliases,
    };
  };

  const timing = { ttlMs, log, ...(clock && { clock }), ...(random && { random }) };
  const parameters = createCached({ ...timing, load });
  if (!staticWorkers) return parameters;

  // A cache of its own: a worker that hangs when asked for its models must not hold up a changed setting.
  const current: Source['current'] = async (signal) => {
    const [settings, workers] = await Promise.all([parameters.current(signal), staticWorkers.current(signal)]);
    return { ...settings, workers };
  };
  return {
    current,
    refreshed: current,
    async settled() {
      await Promise.all([parameters.settled(), staticWorkers.settled()]);
    },
  };
};
