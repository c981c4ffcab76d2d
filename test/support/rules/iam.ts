import { each, ill, only, outside, type Rule, tooMany } from './rule.ts';

const QUOTAS = 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html';
const ROLE = 'AWS::IAM::Role';

interface Role {
  readonly RoleName?: string;
  readonly AssumeRolePolicyDocument?: object;
  readonly ManagedPolicyArns?: readonly string[];
  readonly Policies?: readonly { readonly PolicyName: string; readonly PolicyDocument: object }[];
}
/** White space does not count. */
const sizeOf = (document: unknown) => JSON.stringify(document ?? '').length;

export const iamRules: readonly Rule[] = [
  {
    name: '10,240 characters of inline policies a role, 2,048 of trust, 10 managed policies',
    source: `${QUOTAS}#reference_iam-quotas-entity-length`,
    breaches: each<Role>(ROLE, ({ Policies = [], AssumeRolePolicyDocument, ManagedPolicyArns }) => [
      outside(
        'characters',
        Policies.reduce((sum, { PolicyDocument }) => sum + sizeOf(PolicyDocument), 0),
        0,
        10_240,
      ),
      outside('characters of trust', sizeOf(AssumeRolePolicyDocument), 0, 2048),
      tooMany('managed policies', ManagedPolicyArns, 10),
    ]),
    broken: only(ROLE, { Policies: [{ PolicyName: 'p', PolicyDocument: { x: 'x'.repeat(10_240) } }] }),
  },
  {
    name: 'names of roles and policies, and the letters of a policy',
    source: `${QUOTAS}#reference_iam-quotas-names`,
    breaches: each<Role>(ROLE, ({ RoleName, Policies = [] }) => [
      ill('role', RoleName, 64, /^[\w+=,.@-]+$/),
      ...Policies.flatMap(({ PolicyName, PolicyDocument }) => [
        ill('policy', PolicyName, 128, /^[\w+=,.@-]+$/),
        !/^[\t\n\r\x20-\xff]*$/.test(JSON.stringify(PolicyDocument)) && `${PolicyName} has letters beyond U+00FF`,
      ]),
      new Set(Policies.map(({ PolicyName }) => PolicyName)).size < Policies.length && 'a policy`s name twice',
    ]),
    broken: only(ROLE, { RoleName: 'r'.repeat(65) }),
  },
  {
    name: 'name of an instance profile',
    source: `${QUOTAS}#reference_iam-quotas-entity-length`,
    breaches: each('AWS::IAM::InstanceProfile', ({ InstanceProfileName }) => [ill('name', InstanceProfileName, 128)]),
    broken: only('AWS::IAM::InstanceProfile', { InstanceProfileName: 'p'.repeat(129) }),
  },
];
