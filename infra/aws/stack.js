import { watch } from './alarms.js';
import { container } from './container.js';
import { edge, edgeSecretOf } from './edge.js';
import { readEndpointTable } from './endpoint-table.js';
import { endpointUrls } from './endpoints.js';
import { iam } from './iam.js';
import { network, vpcOf } from './network.js';
import { readOptions } from './options.js';
import { parameters } from './parameters.js';
import { registrar } from './registrar.js';
import { doorsOf, restApiOf } from './rest.js';
import { uploadBucketOf, uploads } from './uploads.js';
import { workers } from './workers.js';

/**
 * What osls hands to a function in a `${file(...)}` variable.
 * @typedef {{
 *   options: { param?: string | string[] },
 *   resolveVariable: (variable: string) => Promise<unknown>,
 *   resolveConfigurationProperty: (path: string[]) => Promise<unknown>,
 * }} Osls
 */

/** @param {Osls} osls @returns {Promise<import('./options.js').Options>} */
const optionsOf = async ({ options, resolveVariable, resolveConfigurationProperty }) => {
  const params = /** @type {Record<string, Record<string, unknown>>} */ (
    await resolveConfigurationProperty(['params'])
  );
  const { default: defaults = {}, ...ofStages } = params;
  const stage = String(await resolveVariable('sls:stage'));
  const onCommandLine = [options.param ?? []].flat().map((given) => given.split('=')[0] ?? '');
  for (const name of [...onCommandLine, ...Object.values(ofStages).flatMap((own) => Object.keys(own ?? {}))]) {
    if (!Object.hasOwn(defaults, name)) throw new Error(`--param ${name} is not one of serverless.yml's params`);
  }
  // What has no default is there only if it was given.
  const ofStage = Object.entries(ofStages[stage] ?? {}).flatMap(([name, value]) => (value === null ? [] : [name]));
  const given = new Set([...onCommandLine, ...ofStage]);
  const entries = Object.entries(defaults)
    .filter(([name, value]) => value !== null || given.has(name))
    .map(async ([name]) => [name, await resolveVariable(`param:${name}`)]);
  return readOptions(Object.fromEntries(await Promise.all(entries)), {
    service: String(await resolveVariable('self:service')),
    stage,
    region: String(await resolveVariable('self:provider.region')),
  });
};

const pieces = [parameters, iam, registrar, network, workers, uploads, container, edge, watch];

/** `resources`: the pieces that the parameters ask for, in one. @param {Osls} osls */
export const resources = async (osls) => {
  const [options, table] = await Promise.all([optionsOf(osls), readEndpointTable()]);
  const shared =
    options.door === 'container' ? await osls.resolveConfigurationProperty(['provider', 'environment']) : {};
  const variables = /** @type {Record<string, unknown>} */ (shared);
  const made = pieces.map((piece) => piece(options, table, variables));
  return {
    Resources: Object.assign({}, ...made.map(({ Resources }) => Resources)),
    Outputs: Object.assign({}, ...made.map(({ Outputs }) => Outputs)),
  };
};

/** `url` and `events` of each function. @param {Osls} osls */
export const doors = async (osls) => {
  const [options, table] = await Promise.all([optionsOf(osls), readEndpointTable()]);
  return doorsOf(options, table);
};

/** The REST API's part of `provider`. @param {Osls} osls */
export const restApi = async (osls) => restApiOf(await optionsOf(osls));

/** `provider.vpc`. @param {Osls} osls */
export const vpc = async (osls) => vpcOf(await optionsOf(osls)) ?? null;

/** Variables of every function whose values depend on the parameters. @param {Osls} osls */
export const environment = async (osls) => {
  const options = await optionsOf(osls);
  return {
    edgeSecret: edgeSecretOf(options),
    uploadBucket: uploadBucketOf(options),
    corsOrigins: options.corsOrigins.join() || undefined,
    ...endpointUrls(options),
  };
};

/** @param {Osls} osls */
export const registrarConcurrency = async (osls) => (await optionsOf(osls)).registrarConcurrency ?? null;
