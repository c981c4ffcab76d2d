import aws4 from 'aws4';

/**
 * The osls plugin that looks at the subnets of interface endpoints and of the load balancer before CloudFormation does,
 * which would find out in the middle of a deployment that two of them are in one zone.
 * @see https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer
 *
 * @typedef {{ Properties: { SubnetIds: string[], VpcId: string } }} Endpoint
 * @typedef {{ Properties: { VpcId: string } }} Target
 * @typedef {{ Properties: { Subnets: string[] } }} Balancer
 * @typedef {{ SsmEndpoint?: Endpoint, LoadBalancer?: Balancer, TargetGroup?: Target }} Resources
 * @typedef {{ accessKeyId: string, secretAccessKey: string, sessionToken?: string }} Credentials
 * @typedef {{
 *   classes: { Error: new (message: string, code: string) => Error },
 *   service: { provider: { compiledCloudFormationTemplate: { Resources: Resources } } },
 *   getProvider: (name: 'aws') => { getRegion: () => string, getAwsSdkV3Config: () => Promise<{ credentials: () => Promise<Credentials> }> },
 * }} Serverless what is used of osls
 * @typedef {{ id: string, vpc: string, zone: string }} Subnet
 */

/** @param {string} xml @param {string} tag @returns {string[]} what stands in every element of this name */
const textsOf = (xml, tag) =>
  [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'))].map(([, text = '']) => text);

/**
 * EC2's `DescribeSubnets`, with the deployment's own credentials.
 * @param {Serverless} serverless @param {readonly string[]} ids
 * @returns {Promise<Subnet[]>}
 * @throws {Error} with EC2's code and words
 */
const describeSubnets = async (serverless, ids) => {
  const provider = serverless.getProvider('aws');
  const { credentials } = await provider.getAwsSdkV3Config();
  const region = provider.getRegion();
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const url = new URL(
    process.env.AWS_ENDPOINT_URL_EC2 ?? process.env.AWS_ENDPOINT_URL ?? `https://ec2.${region}.${domain}`,
  );
  const body = new URLSearchParams({ Action: 'DescribeSubnets', Version: '2016-11-15' });
  for (const [index, id] of ids.entries()) body.append(`SubnetId.${index + 1}`, id);
  const request = {
    service: 'ec2',
    region,
    host: url.host,
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: body.toString(),
  };
  const { headers } = aws4.sign(request, await credentials());
  const response = await fetch(url, {
    method: 'POST',
    headers: /** @type {Record<string, string>} */ (headers),
    body: request.body,
    signal: AbortSignal.timeout(10_000),
  });
  const xml = await response.text();
  if (!response.ok)
    throw new Error(`${textsOf(xml, 'Code')[0] ?? response.status}: ${textsOf(xml, 'Message')[0] ?? ''}`);
  const [vpcs, zones] = [textsOf(xml, 'vpcId'), textsOf(xml, 'availabilityZone')];
  return textsOf(xml, 'subnetId').map((id, index) => ({ id, vpc: vpcs[index] ?? '', zone: zones[index] ?? '' }));
};

/** @param {readonly Subnet[]} subnets @param {string} vpcId @returns {string | undefined} */
const problemOf = (subnets, vpcId) => {
  const stranger = subnets.find(({ vpc }) => vpc !== vpcId);
  if (stranger) return `subnetIds: ${stranger.id} is in ${stranger.vpc}, not in ${vpcId}`;
  for (const { id, zone } of subnets) {
    const others = subnets.filter((other) => other.zone === zone && other.id !== id);
    if (others.length === 0) continue;
    const both = [id, ...others.map((other) => other.id)].join(', ');
    return `subnetIds: ${both} are all in ${zone}, and an interface endpoint or a load balancer takes one subnet of a zone. Name one of each zone`;
  }
  return undefined;
};

/** @param {Resources} resources @returns {{ subnetIds: string[], vpcId: string } | undefined} what takes one subnet of a zone */
const placeIn = ({ SsmEndpoint, LoadBalancer, TargetGroup }) => {
  if (SsmEndpoint) return { subnetIds: SsmEndpoint.Properties.SubnetIds, vpcId: SsmEndpoint.Properties.VpcId };
  if (!LoadBalancer || !TargetGroup) return undefined;
  return { subnetIds: LoadBalancer.Properties.Subnets, vpcId: TargetGroup.Properties.VpcId };
};

/** What the plugin is given to say things with. @typedef {{ log: { warning: (text: string) => void } }} Writers */

export default class ZonesPlugin {
  /** @param {Serverless} serverless @param {unknown} _options @param {Writers} writers */
  constructor(serverless, _options, { log }) {
    this.hooks = {
      'before:aws:deploy:deploy:createStack': async () => {
        const place = placeIn(serverless.service.provider.compiledCloudFormationTemplate.Resources);
        if (!place) return;
        const subnets = await describeSubnets(serverless, place.subnetIds).catch((error) => {
          // What does not exist will not do; whoever may not look goes on without.
          if (error.message.startsWith('InvalidSubnet'))
            throw new serverless.classes.Error(`subnetIds: ${error.message}`, 'SUBNETS');
          log.warning(`The subnets' zones were not looked at (ec2:DescribeSubnets): ${error.message}`);
          return [];
        });
        const problem = problemOf(subnets, place.vpcId);
        if (problem) throw new serverless.classes.Error(problem, 'SUBNETS');
      },
    };
  }
}
