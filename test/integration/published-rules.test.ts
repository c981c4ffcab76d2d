import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { circularResources, schemaProblems, unresolvedReferences } from '../support/cloudformation.ts';
import { combinations } from '../support/combinations.ts';
import { packageTemplates, type Template } from '../support/osls.ts';
import { publishedRules } from '../support/published-rules.ts';
import { missingWays } from '../support/reach.ts';

/** As long as `infra/aws/names.js` lets it be. */
const longestStage = 'x'.repeat(33);

let templates: ReadonlyMap<string, Template>;
beforeAll(async () => {
  const [, largest = {}] = combinations.find(([name]) => /^endpoints, GPU workers, uploads, edge/.test(name)) ?? [];
  templates = await packageTemplates([...combinations, ['the longest stage', largest, longestStage]]);
}, 900_000);
/** What is wrong with each stack, by its name; nothing of those with which nothing is. */
const wrong = (faultsOf: (template: Template) => readonly string[]) =>
  [...templates].flatMap(([name, template]) => faultsOf(template).map((fault) => `${name}: ${fault}`));

test('every combination of door, network, workers, uploads and edge is packaged, and the longest stage', () => {
  expect(combinations.length).toBe(26);
  expect(templates.size).toBe(27);
  const long = JSON.stringify(templates.get('the longest stage'));
  expect(long).toContain(`localai-gateway-${longestStage}-viewer-request`);
  expect(long).toContain(`localai-gateway-${longestStage}-workers`);
});

test('no property, value or type that AWS does not know; nothing required is missing', () => {
  expect(wrong(schemaProblems)).toEqual([]);
});

test('nothing refers to what is not there, or in a circle', () => {
  expect(wrong(unresolvedReferences)).toEqual([]);
  expect(wrong(circularResources)).toEqual([]);
});

test('whatever a function calls, it has a way to', () => {
  expect(wrong(missingWays)).toEqual([]);
});

test('DEPLOY.md says how many rules there are', () => {
  const guide = readFileSync(new URL('../../DEPLOY.md', import.meta.url), 'utf8');
  expect(guide).toContain(`the ${combinations.length} combinations`);
  expect(guide).toContain(`${publishedRules.length} rules`);
});

describe.each(publishedRules)('$name ($source)', ({ breaches, broken, source }) => {
  test('is kept by every stack, and noticed where it is not', () => {
    expect(source).toMatch(/^https:\/\/docs\.aws\.amazon\.com\//);
    expect(breaches(broken)).not.toEqual([]);
    expect(wrong(breaches)).toEqual([]);
  });
});
