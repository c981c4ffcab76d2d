/**
 * The endpoint table as path patterns, for a front that knows nothing else (CloudFront): `*` is any number of any
 * characters, slashes included, and the first match counts.
 *
 * @template V what a path decides: its function, its dialect
 * @typedef {readonly [pattern: string, value: V]} Route
 */

/**
 * @template V
 * @typedef {{ path: string, value?: V, children: Map<string, Folder<V>> }} Folder a path, and what is below it
 */

/** @template V @param {Iterable<readonly [string, V]>} patterns @returns {Folder<V>} */
const treeOf = (patterns) => {
  /** @type {Folder<V>} */
  const root = { path: '', children: new Map() };
  for (const [pattern, value] of patterns) {
    let folder = root;
    for (const segment of pattern.split('/').slice(1)) {
      const child = folder.children.get(segment) ?? { path: `${folder.path}/${segment}`, children: new Map() };
      folder.children.set(segment, child);
      folder = child;
    }
    folder.value = value;
  }
  return root;
};

/** @template V @param {Folder<V>} folder @returns {V[]} its own value and those below it */
const valuesIn = ({ value, children }) => [
  ...(value === undefined ? [] : [value]),
  ...[...children.values()].flatMap(valuesIn),
];

/** `/rerank*` has done what `/reranking*` would. @template V @param {readonly Route<V>[]} routes */
const withoutHidden = (routes) =>
  routes.filter(([pattern], index) => {
    const earlier = routes.slice(0, index);
    return !earlier.some(([other]) => other.endsWith('*') && pattern.startsWith(other.slice(0, -1)));
  });

/**
 * @template V
 * @param {readonly string[]} paths the table's; `{...}` in them stands for any text
 * @param {(path: string) => V} decide what any path means, in the table or not
 * @returns {{ routes: Route<V>[], otherwise: V }} few patterns that give each path of the table its value, with a slash
 *   at its end or without. An unknown path has its folder's value where that has only one, else what `decide` says.
 */
export const routesOf = (paths, decide) => {
  /** @type {Map<string, V>} */
  const patterns = new Map();
  // Shorter ones first.
  for (const path of [...paths].sort()) patterns.set(path.replace(/\{\w+\+?\}/g, '*'), decide(path));

  /** Whether a path beside this one begins with its text and means something else. @param {string} path @param {V} value */
  const hasRival = (path, value) =>
    [...patterns].some(([other, its]) => its !== value && other.startsWith(path) && !other.startsWith(`${path}/`));

  /** @param {Folder<V>} folder @param {V} inherited what its paths mean where no pattern matches @returns {Route<V>[]} */
  const routesIn = (folder, inherited) => {
    const { path, value, children } = folder;
    const [first, ...others] = new Set(valuesIn(folder));
    if (first !== undefined && others.length === 0) {
      if (first === inherited) return [];
      if (value === undefined) return [[`${path}/*`, first]];
      if (!hasRival(path, first)) return [[path.endsWith('*') ? path : `${path}*`, first]];
    }
    const unknown = decide(`${path}/~`);
    /** @type {Route<V>[]} */
    const routes = [];
    if (value !== undefined && value !== inherited) routes.push([path, value]);
    // With a slash it looks like what is below.
    if (value !== undefined && (value !== inherited || unknown !== inherited || children.has('*')))
      routes.push([`${path}/`, value]);
    for (const child of children.values()) routes.push(...routesIn(child, unknown));
    if (unknown !== inherited) routes.push([`${path}/*`, unknown]);
    return routes;
  };

  const otherwise = decide('/~');
  const root = patterns.get('/');
  const routes = routesIn(treeOf([...patterns].filter(([pattern]) => pattern !== '/')), otherwise);
  if (root !== undefined && root !== otherwise) routes.push(['/', root]);
  return { routes: withoutHidden(routes), otherwise };
};
