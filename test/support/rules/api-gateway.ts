import type { Template } from '../osls.ts';
import { each, only, outside, type Rule } from './rule.ts';

const GUIDE = 'https://docs.aws.amazon.com/apigateway/latest/developerguide';
const API = 'AWS::ApiGateway::RestApi';
const RESOURCE = 'AWS::ApiGateway::Resource';
const METHOD = 'AWS::ApiGateway::Method';

interface Method {
  readonly Integration?: {
    readonly Type?: string;
    readonly TimeoutInMillis?: number;
    readonly ResponseTransferMode?: string;
    readonly Uri?: string;
  };
}

/** Variable parts below each parent. */
const siblings = ({ Resources }: Template): string[] => {
  const named = new Map<string, Set<string>>();
  for (const { Type, Properties = {} } of Object.values(Resources)) {
    const part = String(Properties.PathPart ?? '');
    if (Type !== RESOURCE || !part.startsWith('{')) continue;
    const parent = JSON.stringify(Properties.ParentId);
    named.set(parent, (named.get(parent) ?? new Set()).add(part));
  }
  return [...named].flatMap(([parent, parts]) => (parts.size > 1 ? [`${parent}: ${[...parts].join(' and ')}`] : []));
};

export const apiGatewayRules: readonly Rule[] = [
  {
    name: '300 resources of an API',
    source: `${GUIDE}/limits.html`,
    breaches: ({ Resources }) => {
      const count = Object.values(Resources).filter(({ Type }) => Type === RESOURCE).length;
      return count > 300 ? [`${count} resources`] : [];
    },
    broken: {
      Resources: Object.fromEntries(
        Array.from({ length: 301 }, (_, i) => [`R${i}`, { Type: RESOURCE, Properties: {} }]),
      ),
    },
  },
  {
    name: 'one variable among the resources below another, and a greedy one only at the end',
    source: `${GUIDE}/api-gateway-set-up-simple-proxy.html`,
    breaches: siblings,
    broken: {
      Resources: {
        One: { Type: RESOURCE, Properties: { ParentId: 'p', PathPart: '{id}' } },
        Other: { Type: RESOURCE, Properties: { ParentId: 'p', PathPart: '{proxy+}' } },
      },
    },
  },
  {
    name: 'streaming through proxy integrations, by their own URI and for 15 minutes at most',
    source: `${GUIDE}/response-transfer-mode.html`,
    breaches: each<Method>(
      METHOD,
      ({ Integration: { Type, TimeoutInMillis, ResponseTransferMode, Uri = '' } = {} }) => [
        ResponseTransferMode === 'STREAM' && !/^(AWS|HTTP)_PROXY$/.test(Type ?? '') && `${Type} does not stream`,
        ResponseTransferMode === 'STREAM' && !/\/response-streaming-invocations$/.test(Uri) && `streams by ${Uri}`,
        outside('TimeoutInMillis', TimeoutInMillis, 50, ResponseTransferMode === 'STREAM' ? 900_000 : 29_000),
      ],
    ),
    broken: only(METHOD, { Integration: { Type: 'AWS', ResponseTransferMode: 'STREAM' } }),
  },
  {
    name: 'a private API says who may call it',
    source: `${GUIDE}/apigateway-private-apis.html`,
    breaches: each<{ EndpointConfiguration?: { Types?: string[] }; Policy?: unknown }>(
      API,
      ({ EndpointConfiguration: { Types = [] } = {}, Policy }) => [
        Types.includes('PRIVATE') && !Policy && 'no resource policy',
      ],
    ),
    broken: only(API, { EndpointConfiguration: { Types: ['PRIVATE'] } }),
  },
];
