import type { Template } from '../osls.ts';
import { ill, outside, type Rule } from './rule.ts';

const QUOTAS = 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html';
const many = (length: number) => Object.fromEntries(Array.from({ length }, (_, n) => [`R${n}`, { Type: 'T' }]));
const found = (faults: (string | false)[]) => faults.filter((fault) => fault !== false);

export const stackRules: readonly Rule[] = [
  {
    name: '500 resources, 200 outputs, 200 parameters, 1 MB',
    source: QUOTAS,
    breaches: (template) =>
      found([
        outside('resources', Object.keys(template.Resources).length, 1, 500),
        outside('outputs', Object.keys(template.Outputs ?? {}).length, 0, 200),
        outside('parameters', Object.keys(template.Parameters ?? {}).length, 0, 200),
        outside('bytes', Buffer.byteLength(JSON.stringify(template)), 0, 1_048_576),
      ]),
    broken: { Resources: many(501) },
  },
  {
    name: 'logical ids and names of outputs',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resources-section-structure.html',
    breaches: ({ Resources, Outputs = {} }) =>
      found([...Object.keys(Resources), ...Object.keys(Outputs)].map((id) => ill('id', id, 255, /^[A-Za-z0-9]+$/))),
    broken: { Resources: { 'Worker-1': { Type: 'T' } } },
  },
  {
    name: 'descriptions of outputs',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html',
    breaches: ({ Outputs = {} }) =>
      found(
        Object.values(Outputs).map((output) =>
          ill('description', (output as { Description?: string }).Description, 1024),
        ),
      ),
    broken: { Resources: {}, Outputs: { O: { Value: '', Description: 'x'.repeat(1025) } } } as Template,
  },
  {
    name: '60 dynamic references',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html',
    breaches: (template) =>
      found([outside('references', JSON.stringify(template).split('{{resolve:').length - 1, 0, 60)]),
    broken: { Resources: { R: { Type: 'T', Properties: { list: Array(61).fill('{{resolve:ssm:/a}}') } } } },
  },
];
