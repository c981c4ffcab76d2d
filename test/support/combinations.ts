import { containerParams, fullParams, insideParams, vpc, withCertificate } from './container-params.ts';

/** A stack an operator may ask for: its parameters, by a name that says what it is. */
export type Combination = readonly [name: string, params: Readonly<Record<string, string>>];

type Choice = readonly [name: string, params: Readonly<Record<string, string>>];

const targets = { workerTargets: 'sg-0123456789abcdef0:8000,10.0.7.4:8080' };

/** What DEPLOY.md lets one choose, one axis a line; a new axis is a line more. */
const axes: readonly (readonly Choice[])[] = [
  [
    ['no VPC', { network: 'none' }],
    ['endpoints', { network: 'endpoints', ...vpc }],
    ['own network', { network: 'own', ...vpc }],
  ],
  [
    ['own workers', {}],
    ['GPU workers', { workers: 'on', clusters: 'llm,speech' }],
  ],
  [
    ['', {}],
    ['uploads', { uploads: 'on', corsOrigins: 'https://chat.example.org' }],
  ],
  [
    ['edge', {}],
    ['no edge', { edge: 'off', alarms: 'off' }],
  ],
];

/** What the choices need beside each other, and where some are none. */
const completed = ([name, params]: Combination): Combination[] => {
  const { network, workers, uploads, edge } = params;
  if (network === 'none') return workers === 'on' ? [] : [[name, params]];
  const more = workers === 'on' ? {} : targets;
  if (uploads !== 'on') return [[name, { ...params, ...more }]];
  const s3 = { s3PrefixListId: 'pl-63a5400a' };
  if (network === 'own') {
    return edge === 'off'
      ? [[`${name}, everything open`, { ...params, ...more }]]
      : [[`${name}, endpoints of the team`, { ...params, ...more, ...s3, endpointSecurityGroupId: 'sg-00000000' }]];
  }
  return edge === 'off'
    ? [[`${name}, S3 endpoint of the team`, { ...params, ...more, ...s3, s3Endpoint: 'own' }]]
    : [[name, { ...params, ...more, ...s3, routeTableIds: 'rtb-0123456789abcdef0' }]];
};

const product = (rest: readonly (readonly Choice[])[]): Combination[] => {
  const [choices, ...others] = rest;
  if (!choices) return [['', {}]];
  return choices.flatMap(([name, params]) =>
    product(others).map(([tail, more]) => [[name, tail].filter(Boolean).join(', '), { ...params, ...more }] as const),
  );
};

/** Doors that stand in front of the same functions: not each with everything, but each choice of theirs once. */
const behindRest: readonly Combination[] = [
  ['REST API, no VPC, edge', { door: 'rest', webAclArn: 'arn:aws:wafv2:us-east-1:123456789012:regional/webacl/a/b' }],
  [
    'REST API, endpoints, GPU workers, uploads, edge',
    {
      door: 'rest',
      network: 'endpoints',
      ...vpc,
      workers: 'on',
      uploads: 'on',
      s3PrefixListId: 'pl-63a5400a',
      routeTableIds: 'rtb-0123456789abcdef0',
    },
  ],
  [
    'private REST API, own network, no edge',
    {
      ...{ door: 'rest', endpointType: 'private', vpcEndpointIds: 'vpce-0123456789abcdef0' },
      ...{ network: 'own', ...vpc, ...targets, edge: 'off' },
    },
  ],
];

/** One service in place of the functions: each choice of its network, of its callers and of its certificate. */
const inContainer: readonly Combination[] = [
  ['container, own network, image of anywhere, edge', { ...containerParams, containerImage: 'ghcr.io/team/gateway:1' }],
  ['container, endpoints, GPU workers, uploads, certificate, edge', withCertificate(fullParams)],
  [
    'container, endpoints of the team, S3 endpoint of the team, no edge',
    { ...insideParams, endpointSecurityGroupId: 'sg-00000000', s3PrefixListId: 'pl-63a5400a', alarms: 'off' },
  ],
];

/** Every one of function URLs, and those of the other doors. */
export const combinations: readonly Combination[] = [
  ...product(axes).flatMap(completed),
  ...behindRest,
  ...inContainer,
];
