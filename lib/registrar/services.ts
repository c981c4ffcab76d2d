import { paginateGetParametersByPath, type SSMClient } from '@aws-sdk/client-ssm';
import * as v from 'valibot';
import { ownFields, workerFields } from '../discovery/listed-worker.ts';
import { isObject, readJson } from '../json.ts';
import type { ScaleSettings } from './scaling.ts';

const name = v.pipe(v.string(), v.trim(), v.nonEmpty());

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(1_000));
/** Above 0, up to a week. */
const minutes = v.pipe(v.number(), v.gtValue(0), v.maxValue(10_080));
const MINUTE_MS = 60_000;

/** docs/contract.md 11. */
const scale = v.pipe(
  v.object({
    min: v.optional(count(0), 1),
    max: v.optional(count(1)),
    idleMinutes: v.optional(minutes, 15),
    wakeMinutes: v.optional(minutes, 40),
  }),
  v.transform(({ min, max, idleMinutes, wakeMinutes }) => ({
    min,
    max: max ?? Math.max(min, 1),
    idleMinutes,
    wakeMinutes,
  })),
  v.check(({ min, max }) => max >= min, 'max must not be below min'),
  v.transform(
    ({ min, max, idleMinutes, wakeMinutes }): ScaleSettings => ({
      min,
      max,
      idleMs: idleMinutes * MINUTE_MS,
      wakeMs: wakeMinutes * MINUTE_MS,
    }),
  ),
);

const ecsService = v.object({
  cluster: name,
  service: name,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  scheme: v.optional(v.picklist(['http', 'https']), 'http'),
  /** Left out: its count is nobody's business here. */
  scale: v.optional(scale),
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
/** One whose count the registrar changes. */
export type ScaledEcsService = EcsService & { readonly scale: ScaleSettings };

export const isScaled = (service: Service): service is ScaledEcsService =>
  'cluster' in service && service.scale !== undefined;

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
