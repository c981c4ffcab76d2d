/**
 * The endpoint table as resources of one REST API, whose functions all stand behind it (docs/contract.md 12).
 *
 * @typedef {Pick<import('./endpoint-table.js').EndpointTable, 'endpoints' | 'functionFor'>} Table
 * @typedef {{ readonly path: string, readonly function: string }} RestResource `/v1/models/{proxy+}` takes whatever is below
 */

/**
 * API Gateway wants what a client chooses at the end of a path, and one name for it among siblings.
 * @param {string} path the table's
 */
const resourceOf = (path) => path.replace(/\{.*$/, '{proxy+}');

/** @param {Table} table @returns {RestResource[]} each path's own, `/`, and one for everything unknown */
export const restResources = ({ endpoints, functionFor }) => {
  /** @type {Map<string, string>} */
  const resources = new Map();
  for (const path of ['/', ...endpoints.flatMap(({ paths }) => paths), '/{proxy+}']) {
    const resource = resourceOf(path);
    const owner = functionFor(path === '/{proxy+}' ? '/~' : path);
    const other = resources.get(resource);
    if (other !== undefined && other !== owner) throw new Error(`${resource} is of two functions: ${other}, ${owner}`);
    resources.set(resource, owner);
  }
  return [...resources].map(([path, owner]) => ({ path, function: owner }));
};

/**
 * What API Gateway does: the resource with just this path, else the one with the most in front of its `{proxy+}`.
 * @param {readonly RestResource[]} resources @param {string} path as sent
 */
export const resourceFor = (resources, path) => {
  const wanted = path.length > 1 ? path.replace(/\/$/, '') : path;
  const whole = resources.find((resource) => resource.path === wanted);
  if (whole) return whole;
  return resources
    .filter((resource) => resource.path.endsWith('/{proxy+}') && wanted.startsWith(resource.path.slice(0, -8)))
    .sort((a, b) => b.path.length - a.path.length)[0];
};

/** Content types that reach a function as base64; `*` and JSON among them would make text of every request base64. */
export const BINARY_TYPES = [
  'multipart/form-data',
  'application/octet-stream',
  ...['aac', 'flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'ogg', 'opus', 'wav', 'wave', 'webm', 'x-m4a', 'x-wav'].map(
    (type) => `audio/${type}`,
  ),
  ...['gif', 'jpeg', 'png', 'webp'].map((type) => `image/${type}`),
];
