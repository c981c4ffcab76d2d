import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readEndpointTable } from '../../../../infra/aws/endpoint-table.js';
import { routesOf } from '../../../../infra/aws/routes.js';
import type { Family } from '../../../../lib/endpoints/family.ts';
import { dialectOf, endpoints, findEndpoint, functionFor } from '../../../../lib/endpoints/index.ts';
import { pathMatches } from '../../../support/cloudformation.ts';
import { contractPaths, spellings } from '../../../support/contract-paths.ts';

const paths = endpoints.flatMap((endpoint) => endpoint.paths);
const given = <V>({ routes, otherwise }: ReturnType<typeof routesOf<V>>, path: string): V =>
  (routes.find(([pattern]) => pathMatches(pattern, path)) ?? ['', otherwise])[1];

const functions = routesOf(paths, functionFor);

describe('every path of the contract', () => {
  test.each(contractPaths)('$path is for $family, behind the edge and here', ({ path, family }) => {
    for (const spelt of spellings(path)) {
      expect([spelt, given(functions, spelt), functionFor(spelt)]).toEqual([spelt, family, family]);
    }
  });

  test('is in the table', () => {
    expect(contractPaths.map(({ path }) => path).filter((path) => !findEndpoint(path))).toEqual([]);
  });

  test('and nothing else is in the table, but uploads, of which the contract speaks elsewhere', () => {
    const known = new Set([...contractPaths.map(({ path }) => path), '/v1/uploads', '/uploads']);
    expect(paths.filter((path) => !known.has(path) && !path.includes('/realtime/'))).toEqual([]);
  });
});

describe('an unknown path', () => {
  test('goes to a function that refuses it in the dialect that path has here', () => {
    const dialect = (path: string, family: Family) =>
      dialectOf({ match: findEndpoint(path), path, headers: {}, family }).name;
    const near = fc
      .tuple(fc.constantFrom(...paths), fc.string(), fc.nat(40))
      .map(([path, text, at]) => path.slice(0, at) + text);
    fc.assert(
      fc.property(fc.oneof(near, fc.webPath()), (path) => {
        // One whose last word is only longer than a known one may take either for its nearest.
        fc.pre(!paths.some((known) => path.startsWith(known) && known !== '/' && path[known.length] !== '/'));
        fc.pre(!findEndpoint(path));
        expect(dialect(path, given(functions, path))).toBe(dialect(path, functionFor(path)));
      }),
    );
  });
});

describe('patterns from any table', () => {
  const segment = fc.constantFrom('v1', 'v2', 'a', 'ab', 'abc', 'b', '{id}');
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
  /** As the endpoint table decides: a path with a parameter means every text there. */
  const decideBy = (table: ReadonlyMap<string, string>, otherwise: string) => (asked: string) =>
    table.get(asked) ??
    [...table].find(([it]) => it.includes('{') && pathMatches(it.replace(/\{\w+\}/g, '*'), asked))?.[1] ??
    otherwise;
  const tables = fc.uniqueArray(fc.tuple(path, fc.constantFrom('x', 'y', 'z')), {
    selector: ([it]) => it.replace(/\{\w+\}.*/, ''),
    maxLength: 12,
  });

  test('give each path its value, and none is hidden behind another', () => {
    fc.assert(
      fc.property(tables, fc.constantFrom('x', 'y'), (entries, otherwise) => {
        // A parameter takes the rest of a path, as in the table: beside it stands nothing else.
        const open = entries.filter(([it]) => it.includes('{')).map(([it]) => it.replace(/\{.*/, ''));
        const table = new Map(
          entries.filter(([it]) => it.includes('{') || !open.some((prefix) => it.startsWith(prefix))),
        );
        for (const it of [...table.keys()]) {
          if (open.some((prefix) => it.replace(/\{.*/, '') !== prefix && it.startsWith(prefix))) table.delete(it);
        }
        const made = routesOf([...table.keys()], decideBy(table, otherwise));
        const used = new Set<unknown>();
        for (const [it, value] of table) {
          for (const spelt of [it.replaceAll('{id}', 'any/thing'), `${it.replaceAll('{id}', 'any')}/`]) {
            expect(given(made, spelt)).toBe(value);
            used.add(made.routes.find(([pattern]) => pathMatches(pattern, spelt)));
          }
        }
        expect(made.routes.filter((route) => !used.has(route))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

test('osls reads the very table, on whatever Node it runs', async () => {
  const table = await readEndpointTable();
  expect(table.endpoints.map((endpoint) => endpoint.paths)).toEqual(endpoints.map((endpoint) => endpoint.paths));
  expect(table.functionFor('/v1/messages')).toBe('anthropic');
});
