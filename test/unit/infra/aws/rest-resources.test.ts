import { describe, expect, test } from '@jest/globals';
import { readEndpointTable } from '../../../../infra/aws/endpoint-table.js';
import { BINARY_TYPES, resourceFor, restResources } from '../../../../infra/aws/rest-resources.js';
import { dialectOf, endpoints, findEndpoint, functionFor } from '../../../../lib/endpoints/index.ts';
import { contractPaths, spellings } from '../../../support/contract-paths.ts';

const resources = restResources({ endpoints, functionFor });
const present = contractPaths.filter(({ path }) => findEndpoint(path));

describe('every path of the contract has its function’s resource', () => {
  test.each(present)('$path is for $family', ({ path, family }) => {
    for (const spelt of spellings(path)) {
      expect([spelt, resourceFor(resources, spelt)?.function]).toEqual([spelt, family]);
    }
  });
});

test('`/` and what is unknown have one too, and it is answered in the nearest dialect wherever it ends', () => {
  expect(resourceFor(resources, '/')).toEqual({ path: '/', function: 'ollama' });
  for (const path of ['/nowhere', '/v1/nowhere', '/api/nowhere', '/v1/messages/nowhere', '/v1']) {
    const found = resourceFor(resources, path);
    expect(found?.path).toMatch(/\{proxy\+\}$/);
    const family = found?.function as ReturnType<typeof functionFor>;
    const speaks = (of: typeof family) => dialectOf({ match: undefined, path, headers: {}, family: of });
    expect([path, speaks(family)]).toEqual([path, speaks(functionFor(path))]);
  }
});

test('two functions cannot have one resource', () => {
  const clash = [{ paths: ['/v1/things/{id}'] }, { paths: ['/v1/things/{name}/more'] }] as unknown as typeof endpoints;
  const owner = (path: string) => (path.endsWith('/more') ? 'audio' : 'openai');
  expect(() => restResources({ endpoints: clash, functionFor: owner })).toThrow('/v1/things/{proxy+}');
});

test('the deployed table and the one here are the same', async () => {
  expect(restResources(await readEndpointTable())).toEqual(resources);
});

test('no JSON and no `*` is binary', () => {
  expect(BINARY_TYPES.filter((type) => /json|\*|^text/.test(type))).toEqual([]);
  expect(BINARY_TYPES).toEqual(expect.arrayContaining(['multipart/form-data', 'audio/wav']));
});
