import { containerProblem } from './container/contradictions.js';
import { usesS3 } from './endpoints.js';
import { urlFunctions } from './url-functions.js';

/** @typedef {import('./options.js').Options} Options */

/**
 * Parameters that mean nothing unless others are set: who gives them expects something else than will be.
 * @param {Options} options
 * @returns {[name: string, isOfUse: boolean, needs: string][]}
 */
const dependents = (options) => {
  const { door, endpointType, network, workers, workerScaleToZero, edge, alarms, s3Endpoint } = options;
  const isContainer = door === 'container';
  const inVpc = network !== 'none';
  const vpcNeeds = 'network=endpoints or network=own';
  const stackEndpoint = usesS3(options) && network === 'endpoints' && s3Endpoint === 'stack';
  return [
    ['vpcEndpointIds', door === 'rest' && endpointType === 'private', 'door=rest and endpointType=private'],
    ['webAclArn', door === 'rest', 'door=rest'],
    ...['containerImage', 'containerCertificateArn', 'containerDomain'].map(
      (name) => /** @type {[string, boolean, string]} */ ([name, isContainer, 'door=container']),
    ),
    ['cloudFrontPrefixListId', isContainer && edge, 'door=container and edge=on'],
    ['containerCallers', isContainer && !edge, 'door=container and edge=off'],
    ...urlFunctions.map(
      (name) =>
        /** @type {[string, boolean, string]} */ ([`${name}Concurrency`, !isContainer, 'door=url or door=rest']),
    ),
    ['vpcId', inVpc, vpcNeeds],
    ['subnetIds', inVpc, vpcNeeds],
    ['workerTargets', inVpc, vpcNeeds],
    ['endpointSecurityGroupId', network === 'own', 'network=own'],
    ['workerSubnetIds', workers, 'workers=on'],
    ['workerModelNames', workers && workerScaleToZero, 'workers=on and workerScaleToZero=on'],
    ['routeTableIds', stackEndpoint, 'uploads=on or door=container, network=endpoints and s3Endpoint=stack'],
    ['s3PrefixListId', usesS3(options) && inVpc, `uploads=on or door=container, and ${vpcNeeds}`],
    ['edgeDomain', edge, 'edge=on'],
    ['alarmTopicArn', alarms, 'alarms=on'],
  ];
};

/** What AWS would refuse or what would not work, told before anything is made. @param {Options} options */
const impossible = (options) => {
  const {
    door,
    endpointType,
    edge,
    network,
    workers,
    workerScaleToZero,
    workerModelNames,
    vpcId,
    subnetIds,
    workerTargets,
    edgeDomain,
    edgeCertificateArn,
  } = options;
  const { uploads, routeTableIds, s3PrefixListId, endpointSecurityGroupId, s3Endpoint } = options;
  if (endpointType === 'private' && door !== 'rest') return 'endpointType=private needs door=rest';
  if (endpointType === 'private' && edge) return 'endpointType=private needs edge=off: CloudFront does not reach it';
  if (endpointType === 'private' && options.vpcEndpointIds.length === 0) {
    return 'endpointType=private needs vpcEndpointIds: the endpoints of execute-api through which it is called';
  }
  if (workers && network === 'none') return 'workers=on needs network=endpoints or network=own: workers are private';
  if (network !== 'none' && (!vpcId || subnetIds.length === 0)) return `network=${network} needs vpcId and subnetIds`;
  if (network !== 'none' && !workers && workerTargets.length === 0) {
    return `network=${network} needs workers=on, or workerTargets: the security groups or addresses of your own workers, with their ports`;
  }
  const twice = subnetIds.find((id, index) => subnetIds.indexOf(id) !== index);
  if (twice) return `subnetIds has ${twice} twice`;
  // Port 8081 is the engine's, on the task's loopback.
  if (workers && options.workerPort === 8081) return 'workerPort cannot be 8081: the engine behind it listens there';
  const isNarrow = network === 'endpoints' || endpointSecurityGroupId !== '';
  const problem = door === 'container' && containerProblem(options, isNarrow);
  if (problem) return problem;
  const what = uploads ? 'uploads=on' : 'door=container';
  if (usesS3(options) && isNarrow && !s3PrefixListId) {
    return `${what} needs s3PrefixListId, the way to S3, where uploads and ECR's images are: nothing else is open`;
  }
  if (usesS3(options) && network === 'endpoints' && s3Endpoint === 'stack' && routeTableIds.length === 0) {
    return `${what} needs routeTableIds, the subnets', for an endpoint of S3; or s3Endpoint=own where they lead to one already`;
  }
  const unnamed = workerModelNames.find((name) => /[/@]/.test(name));
  if (workers && workerScaleToZero && unnamed) {
    return `workerModelNames must say what requests call "${unnamed}": while the service sleeps, nobody else does`;
  }
  if (workers && workerScaleToZero && options.workerCount < 1)
    return 'workerCount must be at least 1 for a service that wakes';
  if (workers && workerScaleToZero && (options.workerIdleMinutes < 1 || options.workerWakeMinutes < 1)) {
    return 'workerIdleMinutes and workerWakeMinutes must be at least 1';
  }
  if (Boolean(edgeDomain) !== Boolean(edgeCertificateArn)) return 'edgeDomain and edgeCertificateArn go together';
  return undefined;
};

/**
 * @param {Options} options
 * @param {(name: string) => string} given a parameter's text, '' where none was given
 * @returns {string | undefined} what is missing, contradicts itself or has no effect
 */
export const contradictionIn = (options, given) => {
  const [idle] = dependents(options).filter(([name, isOfUse]) => given(name) !== '' && !isOfUse);
  return impossible(options) ?? (idle && `${idle[0]} has no effect without ${idle[2]}`);
};
