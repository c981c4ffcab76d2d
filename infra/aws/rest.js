import { sub } from './cloudformation.js';
import { BINARY_TYPES, restResources } from './rest-resources.js';

/** @typedef {import('./options.js').Options} Options */

/** The longest a function runs, and API Gateway waits for one that streams. */
const TIMEOUT_MS = 900_000;

/**
 * The `url` and `events` of a function: how it is reached through the stack's door.
 * @param {Options} options @param {import('./endpoint-table.js').EndpointTable} table
 * @returns {Record<string, { url: false | object, events: object[] }>} by the function's name
 */
export const doorsOf = ({ door }, table) => {
  const resources = door === 'rest' ? restResources(table) : [];
  const names = [...new Set(restResources(table).map(({ function: name }) => name))];
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        url: door === 'url' && { invokeMode: 'RESPONSE_STREAM' },
        events: resources
          .filter((resource) => resource.function === name)
          .map(({ path }) => ({
            http: { path, method: 'any', timeoutInMillis: TIMEOUT_MS, response: { transferMode: 'STREAM' } },
          })),
      },
    ]),
  );
};

/** Who may call a private API: requests through the team's own endpoints. @param {string[]} vpcEndpointIds */
const policyOf = (vpcEndpointIds) => [
  {
    Effect: 'Allow',
    Principal: '*',
    Action: 'execute-api:Invoke',
    Resource: 'execute-api:/*',
    Condition: { StringEquals: { 'aws:SourceVpce': vpcEndpointIds } },
  },
];

/** The REST API's own part of `provider`. @param {Options} options */
export const restApiOf = ({ door, endpointType, vpcEndpointIds }) =>
  door === 'rest'
    ? {
        endpointType: endpointType.toUpperCase(),
        binaryMediaTypes: BINARY_TYPES,
        ...(endpointType === 'private' && { vpcEndpointIds, resourcePolicy: policyOf(vpcEndpointIds) }),
      }
    : {};

/** Where CloudFront finds the API. @param {Options} options */
export const restOrigin = ({ stage }) => ({
  domain: sub(`\${ApiGatewayRestApi}.execute-api.\${AWS::Region}.\${AWS::URLSuffix}`),
  path: `/${stage}`,
});
