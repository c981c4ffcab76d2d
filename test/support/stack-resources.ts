import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { resources } from '../../infra/aws/stack.js';
import type { Template } from './osls.ts';
import { readParams } from './stack-params.ts';

interface Yaml {
  readonly provider: { readonly environment: Readonly<Record<string, unknown>> };
}

/**
 * What osls would put into the template of this project's own resources, without osls: no function, and of the functions'
 * variables those that no other variable makes.
 * @throws {Error} where the parameters are refused.
 */
export const resourcesOf = async (params: Readonly<Record<string, string>>): Promise<Template> => {
  const all: Record<string, unknown> = { ...readParams(), ...params };
  const yaml = parse(readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8')) as Yaml;
  const environment = Object.entries(yaml.provider.environment).filter(([, value]) => !String(value).includes('${'));
  return (await resources({
    options: { param: Object.entries(params).map(([name, value]) => `${name}=${value}`) },
    resolveVariable: async (variable) =>
      ({ 'self:service': 'localai-gateway', 'sls:stage': 'dev', 'self:provider.region': 'us-east-1' })[variable] ??
      all[variable.replace('param:', '')],
    resolveConfigurationProperty: async ([first]) =>
      first === 'params' ? { default: readParams() } : Object.fromEntries(environment),
  })) as Template;
};
