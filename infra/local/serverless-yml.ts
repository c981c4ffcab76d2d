import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

/** What the local platform needs to know of one function. */
export interface LocalFunction {
  /** Key in `serverless.yml`: `openai`. */
  readonly name: string;
  /** Folder that holds the bundle, `LAMBDA_TASK_ROOT` of its environments. */
  readonly bundleDir: string;
  /** `file.export` below `bundleDir`: `index.handler`. */
  readonly handler: string;
  readonly timeoutSeconds: number;
  /** MB. Said to the function, not enforced. */
  readonly memory: number;
  /** Variables of this function only. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether it has a function URL (else it is only invoked: a scheduled function). */
  readonly hasUrl: boolean;
}

interface FunctionEntry {
  handler: string;
  timeout?: number;
  memorySize?: number;
  environment?: Record<string, unknown>;
  url?: unknown;
}

interface Service {
  provider?: { timeout?: number; memorySize?: number; environment?: Record<string, unknown> };
  functions?: Record<string, FunctionEntry>;
}

/** Only plain values mean something on this machine; references into the cloud (`${...}`, `Ref`) do not. */
const plainValues = (environment: Record<string, unknown> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment)
      .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && !String(value).includes('${'))
      .map(([name, value]) => [name, String(value)]),
  );

/**
 * Reads the functions of a `serverless.yml` as the local platform runs them. A handler `dist/openai/index.handler`
 * becomes the folder `dist/openai` beside the file and `index.handler` in it.
 *
 * @throws {Error} when the file cannot be read, is not YAML or lists no functions.
 */
export const readFunctions = (file: string): LocalFunction[] => {
  const { provider = {}, functions } = parse(readFileSync(file, 'utf8')) as Service;
  if (!functions) throw new Error(`${file} lists no functions`);
  return Object.entries(functions).map(([name, entry]) => ({
    name,
    bundleDir: join(dirname(file), dirname(entry.handler)),
    handler: entry.handler.slice(entry.handler.lastIndexOf('/') + 1),
    timeoutSeconds: entry.timeout ?? provider.timeout ?? 6,
    memory: entry.memorySize ?? provider.memorySize ?? 1024,
    environment: { ...plainValues(provider.environment), ...plainValues(entry.environment) },
    hasUrl: entry.url !== undefined && entry.url !== false,
  }));
};
