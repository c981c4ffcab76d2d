/**
 * `com.amazonaws.global.cloudfront.origin-facing`, the list of CloudFront's addresses, by region. It has another id in each
 * and no template can look it up; other regions' are to be given.
 * @see https://aws.amazon.com/blogs/networking-and-content-delivery/limit-access-to-your-origins-using-the-aws-managed-prefix-list-for-amazon-cloudfront/
 * @type {ReadonlyMap<string, string>}
 */
export const cloudFrontPrefixLists = new Map([
  ['ap-northeast-1', 'pl-58a04531'],
  ['ap-northeast-2', 'pl-22a6434b'],
  ['ap-south-1', 'pl-9aa247f3'],
  ['ap-southeast-1', 'pl-31a34658'],
  ['ap-southeast-2', 'pl-b8a742d1'],
  ['ca-central-1', 'pl-38a64351'],
  ['eu-central-1', 'pl-a3a144ca'],
  ['eu-north-1', 'pl-fab65393'],
  ['eu-west-1', 'pl-4fa04526'],
  ['eu-west-2', 'pl-93a247fa'],
  ['eu-west-3', 'pl-75b1541c'],
  ['sa-east-1', 'pl-5da64334'],
  ['us-east-1', 'pl-3b927c52'],
  ['us-east-2', 'pl-b6a144df'],
  ['us-west-1', 'pl-4ea04527'],
  ['us-west-2', 'pl-82a045eb'],
]);
