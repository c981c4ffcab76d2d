import { sub } from '../cloudformation.js';

/** What a reference to an image is written with; a placeholder that was not filled in is none. */
const REFERENCE = /^[a-z0-9][\w.-]*(:\d+)?(\/[a-z0-9][\w.-]*)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/;
/** A private repository of ECR. @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html */
const ECR = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([a-z0-9][a-z0-9._/-]*)(?:[:@]|$)/;

/** @param {string} image */
export const isImage = (image) => REFERENCE.test(image);

/** @param {string} image @returns {object | undefined} ARN of its repository, where that is one of ECR */
export const repositoryOf = (image) => {
  const [, account, region, name] = ECR.exec(image) ?? [];
  return name === undefined ? undefined : sub(`arn:\${AWS::Partition}:ecr:${region}:${account}:repository/${name}`);
};
