import { cloudFrontPrefixLists } from './container/cloudfront-prefix-lists.js';
import { contradictionIn } from './contradictions.js';
import { nameProblem } from './names.js';
import { readCallers, readTargets } from './targets.js';
import { urlFunctions } from './url-functions.js';

/** Parameters with few values. */
const choices = {
  door: ['url', 'rest', 'container'],
  containerArchitecture: ['arm64', 'x86_64'],
  endpointType: ['regional', 'private'],
  edge: ['on', 'off'],
  network: ['none', 'endpoints', 'own'],
  workers: ['on', 'off'],
  workerScaleToZero: ['on', 'off'],
  uploads: ['on', 'off'],
  s3Endpoint: ['stack', 'own'],
  alarms: ['on', 'off'],
};

/** Parameters that are whole numbers. */
const numbers = /** @type {const} */ ([
  'containerCpu',
  'containerMemoryMiB',
  'containerMinTasks',
  'containerMaxTasks',
  'workerPort',
  'workerCount',
  'workerIdleMinutes',
  'workerWakeMinutes',
  'workerMaxInstances',
  'workerConcurrency',
  'workerCpu',
  'workerMemoryMiB',
  'workerVolumeGiB',
  'workerStopSeconds',
]);

/** @param {string} text */
const list = (text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

/**
 * @typedef {Record<typeof numbers[number], number> & {
 *   service: string, stage: string, name: string, prefix: string,
 *   door: 'url' | 'rest' | 'container', endpointType: 'regional' | 'private', vpcEndpointIds: string[], webAclArn: string,
 *   containerImage: string, containerArchitecture: 'arm64' | 'x86_64', containerCertificateArn: string,
 *   containerDomain: string, containerCallers: import('./targets.js').Place[], cloudFrontPrefixListId: string,
 *   edge: boolean, edgeDomain: string, edgeCertificateArn: string, edgeSecretVersion: string,
 *   network: 'none' | 'endpoints' | 'own', vpcId: string, subnetIds: string[], endpointSecurityGroupId: string,
 *   workerTargets: import('./targets.js').Target[], clusters: string[], kmsKeyArn: string,
 *   workers: boolean, workerScaleToZero: boolean, workerSubnetIds: string[],
 *   workerInstanceType: string, workerImage: string, workerModels: string[], workerModelNames: string[], haproxyImage: string,
 *   uploads: boolean, corsOrigins: string[], routeTableIds: string[], s3PrefixListId: string,
 *   s3Endpoint: 'stack' | 'own',
 *   alarms: boolean, alarmTopicArn: string,
 *   registrarConcurrency: number | undefined,
 * }} Options what a stack is made of: `params` in `serverless.yml`, checked
 */

/** What AWS's ids look like; a placeholder that was not filled in is none. */
const ids = /** @type {const} */ ({
  vpcId: 'vpc',
  vpcEndpointIds: 'vpce',
  subnetIds: 'subnet',
  workerSubnetIds: 'subnet',
  endpointSecurityGroupId: 'sg',
  routeTableIds: 'rtb',
  s3PrefixListId: 'pl',
  cloudFrontPrefixListId: 'pl',
});

/**
 * Checks the parameters of a deployment.
 * @param {Record<string, unknown>} params name -> value, `params` of `serverless.yml` under those of the command line
 * @param {{ service: string, stage: string, region?: string }} about
 * @returns {Options}
 * @throws {Error} that names the parameter
 */
export const readOptions = (params, { service, stage, region = '' }) => {
  const text = (/** @type {string} */ name) => String(params[name] ?? '').trim();
  for (const [name, values] of Object.entries(choices)) {
    if (!values.includes(text(name))) throw new Error(`--param ${name} must be one of ${values.join(', ')}`);
  }
  for (const name of numbers) if (!/^\d+$/.test(text(name))) throw new Error(`--param ${name} must be a whole number`);
  const registrarConcurrency = text('registrarConcurrency');
  if (!/^(off|\d+)$/.test(registrarConcurrency))
    throw new Error('--param registrarConcurrency must be a number or off');
  for (const [name, prefix] of Object.entries(ids)) {
    for (const id of list(text(name))) {
      if (!new RegExp(`^${prefix}-[0-9a-f]{8,17}$`).test(id))
        throw new Error(`--param ${name}: "${id}" is no id of AWS`);
    }
  }
  const name = `${service}-${stage}`;
  const nameFault = nameProblem(name, [...urlFunctions, 'registrar', 'viewer-request']);
  if (nameFault) throw new Error(`--stage ${stage}: ${nameFault}`);
  const workers = text('workers') === 'on';
  const numeric = /** @type {Record<typeof numbers[number], number>} */ (
    Object.fromEntries(numbers.map((number) => [number, Number(text(number))]))
  );
  const subnetIds = list(text('subnetIds'));
  const workerSubnetIds = list(text('workerSubnetIds'));
  const workerModels = list(text('workerModels'));
  const workerModelNames = list(text('workerModelNames'));
  /** @type {Options} */
  const options = {
    ...numeric,
    service,
    stage,
    name,
    prefix: `/${service}/${stage}`,
    door: /** @type {Options['door']} */ (text('door')),
    endpointType: /** @type {Options['endpointType']} */ (text('endpointType')),
    vpcEndpointIds: list(text('vpcEndpointIds')),
    webAclArn: text('webAclArn'),
    containerImage: text('containerImage'),
    containerArchitecture: /** @type {Options['containerArchitecture']} */ (text('containerArchitecture')),
    containerCertificateArn: text('containerCertificateArn'),
    // What CloudFront asks for and checks: the name that callers use is as good as any that the certificate covers.
    containerDomain: text('containerDomain') || (text('containerCertificateArn') && text('edgeDomain')),
    containerCallers: readCallers(list(text('containerCallers'))),
    cloudFrontPrefixListId: text('cloudFrontPrefixListId') || (cloudFrontPrefixLists.get(region) ?? ''),
    edge: text('edge') === 'on',
    edgeDomain: text('edgeDomain'),
    edgeCertificateArn: text('edgeCertificateArn'),
    edgeSecretVersion: text('edgeSecretVersion'),
    network: /** @type {Options['network']} */ (text('network')),
    vpcId: text('vpcId'),
    subnetIds,
    endpointSecurityGroupId: text('endpointSecurityGroupId'),
    workerTargets: readTargets(list(text('workerTargets'))),
    clusters: [...(workers ? [`${name}-workers`] : []), ...list(text('clusters'))],
    kmsKeyArn: text('kmsKeyArn'),
    workers,
    workerScaleToZero: text('workerScaleToZero') === 'on',
    workerSubnetIds: workerSubnetIds.length ? workerSubnetIds : subnetIds,
    workerInstanceType: text('workerInstanceType'),
    workerImage: text('workerImage'),
    workerModels,
    workerModelNames: workerModelNames.length ? workerModelNames : workerModels,
    haproxyImage: text('haproxyImage'),
    uploads: text('uploads') === 'on',
    corsOrigins: list(text('corsOrigins')),
    routeTableIds: list(text('routeTableIds')),
    s3PrefixListId: text('s3PrefixListId'),
    s3Endpoint: /** @type {Options['s3Endpoint']} */ (text('s3Endpoint')),
    alarms: text('alarms') === 'on',
    alarmTopicArn: text('alarmTopicArn'),
    registrarConcurrency: registrarConcurrency === 'off' ? undefined : Number(registrarConcurrency),
  };
  const problem = contradictionIn(options, text);
  if (problem) throw new Error(`--param: ${problem}`);
  return options;
};
