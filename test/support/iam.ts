import type { Template } from './osls.ts';

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Granted extends Statement {
  /** Logical id of the role. */
  readonly role: string;
}

interface RoleProperties {
  readonly Policies?: readonly { readonly PolicyDocument: { readonly Statement: readonly Statement[] } }[];
}

/** @returns every statement of every role of the stack. */
export const statementsOf = ({ Resources }: Template): Granted[] =>
  Object.entries(Resources)
    .filter(([, { Type }]) => Type === 'AWS::IAM::Role')
    .flatMap(([role, { Properties }]) =>
      ((Properties as RoleProperties).Policies ?? []).flatMap(({ PolicyDocument }) =>
        PolicyDocument.Statement.map((statement) => ({ ...statement, role })),
      ),
    );

/** @returns a resource as DEPLOY.md writes it: `ssm:parameter/...`, without partition, region and account. */
export const resourceText = (resource: unknown): string => {
  if (typeof resource === 'string') return resource;
  const { 'Fn::Sub': sub = '', 'Fn::GetAtt': att } = resource as { 'Fn::Sub'?: string; 'Fn::GetAtt'?: string[] };
  if (att) return att[0] ?? '';
  return sub
    .replace(/^arn:\$\{AWS::Partition\}:(\w+):\$\{AWS::Region\}:\$\{AWS::AccountId\}:/, '$1:')
    .replace(/^\$\{(\w+)\.Arn\}/, '$1');
};
