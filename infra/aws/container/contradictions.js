import { isImage, repositoryOf } from './image.js';

/** @typedef {import('../options.js').Options} Options */

/**
 * What Fargate has to a number of CPU units: MiB from, to, in steps of. More units than these do nothing for one process.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
 * @type {ReadonlyMap<number, readonly [from: number, to: number, step: number]>}
 */
const SIZES = new Map([
  [256, [512, 2048, 512]],
  [512, [1024, 4096, 1024]],
  [1024, [2048, 8192, 1024]],
  [2048, [4096, 16_384, 1024]],
  [4096, [8192, 30_720, 1024]],
]);

/** @param {Options} options */
const sizeProblem = ({ containerCpu, containerMemoryMiB }) => {
  const size = SIZES.get(containerCpu);
  if (!size) return `containerCpu must be one of ${[...SIZES.keys()].join(', ')}`;
  const [from, to, step] = size;
  // To a quarter of a core there are half a gigabyte, one and two.
  const isThere = containerMemoryMiB % step === 0 && !(containerCpu === 256 && containerMemoryMiB === 1536);
  if (containerMemoryMiB >= from && containerMemoryMiB <= to && isThere) return undefined;
  return `containerMemoryMiB must be ${from} to ${to} with containerCpu=${containerCpu}, in steps of Fargate's`;
};

/** @param {Options} options */
const callersProblem = ({ edge, cloudFrontPrefixListId, containerCallers, containerCertificateArn }) => {
  if (edge) {
    return cloudFrontPrefixListId
      ? undefined
      : 'door=container needs cloudFrontPrefixListId in this region, of com.amazonaws.global.cloudfront.origin-facing: nobody else may come in';
  }
  if (!containerCertificateArn) {
    return 'door=container with edge=off needs containerCertificateArn and containerDomain: keys are not sent in clear';
  }
  return containerCallers.length > 0
    ? undefined
    : 'door=container with edge=off needs containerCallers: the security groups and addresses that may come in';
};

/**
 * What AWS would refuse of the container or what would not work, told before anything is made.
 * @param {Options} options
 * @param {boolean} isNarrow whether only endpoints of AWS are in reach
 */
export const containerProblem = (options, isNarrow) => {
  const { network, subnetIds, containerImage, containerCertificateArn, containerDomain } = options;
  const { containerMinTasks, containerMaxTasks } = options;
  if (network === 'none') return 'door=container needs network=endpoints or network=own: its tasks are private';
  if (!containerImage) return 'door=container needs containerImage: build and push infra/container/Dockerfile first';
  if (!isImage(containerImage)) return `containerImage: "${containerImage}" names no image`;
  if (isNarrow && !repositoryOf(containerImage)) {
    return `containerImage must be in a private repository of ECR in this region: ${containerImage} is out of the tasks' reach`;
  }
  if (subnetIds.length < 2) {
    return 'door=container needs two subnetIds or more, each in an availability zone of its own: so does a load balancer';
  }
  if (Boolean(containerCertificateArn) !== Boolean(containerDomain)) {
    return 'containerCertificateArn and containerDomain (or edgeDomain) go together: the name is what the certificate is checked for';
  }
  if (containerMinTasks < 2)
    return 'containerMinTasks must be at least 2: one alone takes everybody along when it ends';
  if (containerMaxTasks < containerMinTasks) return 'containerMaxTasks must not be less than containerMinTasks';
  return callersProblem(options) ?? sizeProblem(options);
};
