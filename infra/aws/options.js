/** The functions with a URL; beside them there is the registrar. */
export const urlFunctions = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad', 'nodes'];

/** Parameters with few values. */
const choices = {
  edge: ['on', 'off'],
  network: ['none', 'endpoints', 'own'],
  workers: ['on', 'off'],
  uploads: ['on', 'off'],
  alarms: ['on', 'off'],
};

/** Parameters that are whole numbers. */
const numbers = /** @type {const} */ ([
  'workerPort',
  'workerCount',
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
 *   edge: boolean, edgeDomain: string, edgeCertificateArn: string, edgeSecretVersion: string,
 *   network: 'none' | 'endpoints' | 'own', vpcId: string, subnetIds: string[], endpointSecurityGroupId: string,
 *   workerSecurityGroupId: string, clusters: string[], kmsKeyArn: string,
 *   workers: boolean, workerSubnetIds: string[], workerInstanceType: string, workerImage: string,
 *   workerModels: string[], haproxyImage: string,
 *   uploads: boolean, corsOrigins: string[], routeTableIds: string[], s3PrefixListId: string,
 *   alarms: boolean, alarmTopicArn: string,
 *   registrarConcurrency: number | undefined,
 * }} Options what a stack is made of: `params` in `serverless.yml`, checked
 */

/** What is missing or contradicts itself. @param {Options} options @returns {string | undefined} */
const problemOf = (options) => {
  const { network, workers, vpcId, subnetIds, workerSecurityGroupId, edgeDomain, edgeCertificateArn } = options;
  const { uploads, routeTableIds, s3PrefixListId } = options;
  if (network !== 'none' && (!vpcId || subnetIds.length === 0)) return `network=${network} needs vpcId and subnetIds`;
  if (network !== 'none' && !workers && !workerSecurityGroupId) {
    return `network=${network} needs workers=on, or workerSecurityGroupId: the security group of your own workers`;
  }
  if (workers && network === 'none') return 'workers=on needs network=endpoints or network=own: workers are private';
  if (uploads && network === 'endpoints' && (routeTableIds.length === 0 || !s3PrefixListId)) {
    return 'uploads=on with network=endpoints needs routeTableIds and s3PrefixListId: the way to S3';
  }
  if (Boolean(edgeDomain) !== Boolean(edgeCertificateArn)) return 'edgeDomain and edgeCertificateArn go together';
  return undefined;
};

/**
 * Checks the parameters of a deployment.
 * @param {Record<string, unknown>} params name -> value, `params` of `serverless.yml` under those of the command line
 * @param {{ service: string, stage: string }} about
 * @returns {Options}
 * @throws {Error} that names the parameter
 */
export const readOptions = (params, { service, stage }) => {
  const text = (/** @type {string} */ name) => String(params[name] ?? '').trim();
  for (const [name, values] of Object.entries(choices)) {
    if (!values.includes(text(name))) throw new Error(`--param ${name} must be one of ${values.join(', ')}`);
  }
  for (const name of numbers) if (!/^\d+$/.test(text(name))) throw new Error(`--param ${name} must be a whole number`);
  const registrarConcurrency = text('registrarConcurrency');
  if (!/^(off|\d+)$/.test(registrarConcurrency))
    throw new Error('--param registrarConcurrency must be a number or off');
  const name = `${service}-${stage}`;
  const workers = text('workers') === 'on';
  const numeric = /** @type {Record<typeof numbers[number], number>} */ (
    Object.fromEntries(numbers.map((number) => [number, Number(text(number))]))
  );
  const subnetIds = list(text('subnetIds'));
  const workerSubnetIds = list(text('workerSubnetIds'));
  /** @type {Options} */
  const options = {
    ...numeric,
    service,
    stage,
    name,
    prefix: `/${service}/${stage}`,
    edge: text('edge') === 'on',
    edgeDomain: text('edgeDomain'),
    edgeCertificateArn: text('edgeCertificateArn'),
    edgeSecretVersion: text('edgeSecretVersion'),
    network: /** @type {Options['network']} */ (text('network')),
    vpcId: text('vpcId'),
    subnetIds,
    endpointSecurityGroupId: text('endpointSecurityGroupId'),
    workerSecurityGroupId: text('workerSecurityGroupId'),
    clusters: [...(workers ? [`${name}-workers`] : []), ...list(text('clusters'))],
    kmsKeyArn: text('kmsKeyArn'),
    workers,
    workerSubnetIds: workerSubnetIds.length ? workerSubnetIds : subnetIds,
    workerInstanceType: text('workerInstanceType'),
    workerImage: text('workerImage'),
    workerModels: list(text('workerModels')),
    haproxyImage: text('haproxyImage'),
    uploads: text('uploads') === 'on',
    corsOrigins: list(text('corsOrigins')),
    routeTableIds: list(text('routeTableIds')),
    s3PrefixListId: text('s3PrefixListId'),
    alarms: text('alarms') === 'on',
    alarmTopicArn: text('alarmTopicArn'),
    registrarConcurrency: registrarConcurrency === 'off' ? undefined : Number(registrarConcurrency),
  };
  const problem = problemOf(options);
  if (problem) throw new Error(`--param: ${problem}`);
  return options;
};
