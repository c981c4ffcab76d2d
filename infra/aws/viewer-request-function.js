import { readFileSync } from 'node:fs';
import { routesOf } from './routes.js';

/** @typedef {import('./options.js').Options} Options */
/** @typedef {import('./endpoint-table.js').EndpointTable} EndpointTable */

const viewerRequest = readFileSync(new URL('viewer-request.js', import.meta.url), 'utf8').replace(/^export /m, '');

/** @param {string} pattern a route's @returns {string} the regular expression that matches the same, as JavaScript writes it */
const expressionOf = (pattern) => {
  const escaped = pattern.split('*').map((text) => text.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&'));
  return `/^${escaped.join('.*')}$/`;
};

/** `viewer-request.js` as it is deployed. @param {Options} options @param {EndpointTable} table */
const codeFor = ({ uploads, door }, table) => {
  const { routes, otherwise } = routesOf(
    table.endpoints.flatMap(({ paths }) => paths),
    (path) => table.dialectOf({ match: table.findEndpoint(path), path, headers: {}, family: 'openai' }).name,
  );
  const dialects = [...routes, /** @type {const} */ (['*', otherwise])].map(
    ([pattern, dialect]) => `[${expressionOf(pattern)}, '${dialect}']`,
  );
  // The container has limits of its own, and says so itself.
  const limited = door === 'container' ? viewerRequest.replace(/(_LIMIT = )\d+/g, '$1Infinity') : viewerRequest;
  return limited
    .replace('const DIALECTS = []', () => `const DIALECTS = [${dialects.join(', ')}]`)
    .replace('const TAKES_UPLOADS = false', `const TAKES_UPLOADS = ${uploads}`);
};

/** CloudFront's function for what viewers send. @param {Options} options @param {EndpointTable} table */
export const viewerRequestFunction = (options, table) => ({
  Type: 'AWS::CloudFront::Function',
  Properties: {
    Name: `${options.name}-viewer-request`,
    AutoPublish: true,
    FunctionCode: codeFor(options, table),
    FunctionConfig: { Comment: 'No compression; 413 in the dialect', Runtime: 'cloudfront-js-2.0' },
  },
});
