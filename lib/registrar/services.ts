import { paginateGetParametersByPath, type SSMClient } from '@aws-sdk/client-ssm';
import * as v from 'valibot';
import { ownFields, workerFields } from '../discovery/listed-worker.ts';
import { isObject, readJson } from '../json.ts';

const name = v.pipe(v.string(), v.trim(), v.nonEmpty());

const ecsService = v.object({
  cluster: name,
  service: name,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  scheme: v.optional(v.picklist(['http', 'https']), 'http'),
  ...workerFields,
});

const staticService = v.pipe(
  v.object({
    workers: v.array(v.object({ ...ownFields, ...workerFields })),
    ...workerFields,
  }),
  // What the service says of its workers counts for each that says nothing else itself.
  v.transform(({ workers, ...all }) => ({ workers: workers.map((worker) => ({ ...all, ...worker })) })),
);

/** Tasks of one ECS service. */
export type EcsService = v.InferOutput<typeof ecsService>;
/** Workers an operator lists. */
type StaticService = v.InferOutput<typeof staticService>;
export type Service = EcsService | StaticService;

/** @returns the service, or the reason why the value is none. */
export const parseService = (text: string): Service | { readonly malformed: string } => {
  const value = readJson(text);
  if (value === undefined) return { malformed: 'not JSON' };
  const isStatic = isObject(value) && 'workers' in value;
  const result = v.safeParse(isStatic ? staticService : ecsService, value, { abortEarly: true });
  if (result.success) return result.output;
  return { malformed: v.getDotPath(result.issues[0]) ?? 'not an object' };
};

/**
 * Reads what there is to discover: all of `<prefix>/services/`, ten a page.
 * @returns `<name>` -> service, or why it is none.
 */
export const readServices = async (
  ssm: SSMClient,
  prefix: string,
  abortSignal: AbortSignal,
): Promise<ReadonlyMap<string, ReturnType<typeof parseService>>> => {
  const path = `${prefix}/services`;
  const services = new Map<string, ReturnType<typeof parseService>>();
  const query = { Path: path, Recursive: true, WithDecryption: true };
  for await (const page of paginateGetParametersByPath({ client: ssm }, query, { abortSignal })) {
    for (const { Name = '', Value = '' } of page.Parameters ?? []) {
      services.set(Name.slice(path.length + 1), parseService(Value));
    }
  }
  return services;
};
