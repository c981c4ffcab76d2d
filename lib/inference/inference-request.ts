import type { ForwardedEndpoint, Prefix } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { engineOf } from '../engines/index.ts';
import { InvalidRequestError, NotFoundError } from '../errors.ts';
import { isForm } from '../http/form.ts';
import type { Fields, Forms } from '../http/form-fields.ts';
import { replaceFields } from '../http/json-body.ts';
import { modelIn, targetQuery, withModel, withoutCredentials } from '../http/query.ts';
import type { StreamedBody } from '../upstream/streamed-body.ts';
import type { Worker } from '../worker.ts';
import { type Changes, nameModel } from './model-naming.ts';
import type { TakeUploads } from './uploaded-files.ts';

type Body = Readonly<Record<string, unknown>>;

/** One request for a worker, with all that routing needs of it. */
export interface InferenceRequest {
  readonly endpoint: ForwardedEndpoint;
  /** What the client asked for. */
  readonly requestedModel: string | undefined;
  /** What the worker is asked for: the alias's target, or the same. */
  readonly servedModel: string | undefined;
  readonly stream: boolean;
  /** Canonical path with the client's query. */
  readonly path: string;
  /** The client's own bytes, with a model alias resolved; or the form that its uploads were put into. */
  readonly body: Uint8Array | StreamedBody;
  /** @returns the same, with what the engine of one worker has to be told besides. */
  bodyFor(worker: Pick<Worker, 'engine'>): Uint8Array | StreamedBody;
  /** What the body is, where the client may have called it something else. */
  readonly contentType?: string;
  /** Deletes the uploads it named, unless they are to be kept; for when the worker is done with them. */
  readonly forgetUploads?: () => Promise<void>;
  readonly prefix: Prefix | undefined;
  /** The client's own name for the conversation. */
  readonly session: string | undefined;
  /** The parsed JSON body, or the text fields of a multipart body. */
  readonly fields: Body;
}

export interface ReadOptions {
  readonly endpoint: ForwardedEndpoint;
  /** The path's parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly request: GatewayRequest;
  /** Alias -> served model. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Only in functions whose endpoints take forms. */
  readonly forms?: Forms | undefined;
  /** Left out: files come in the request and nowhere else. */
  readonly takeUploads?: TakeUploads | undefined;
}

const optional = (body: Body, field: string, type: 'string' | 'boolean'): unknown => {
  const value = body[field];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== type) throw new InvalidRequestError(`'${field}' must be a ${type}.`, { param: field });
  return value;
};

const readJson = (endpoint: ForwardedEndpoint, body: unknown): Body => {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new InvalidRequestError('The body must be a JSON object.');
  }
  for (const [field, type] of Object.entries(endpoint.required ?? {})) {
    const value = (body as Body)[field];
    if (value === undefined) throw new InvalidRequestError(`'${field}' is missing.`, { param: field });
    if (type === 'array' && !Array.isArray(value))
      throw new InvalidRequestError(`'${field}' must be an array.`, { param: field });
  }
  endpoint.check?.(body as Body);
  return body as Body;
};

const ofForms = (forms: Forms | undefined): Forms => {
  if (!forms) throw new Error('this function takes forms and was given nothing to read them with');
  return forms;
};

/** A multipart boolean is text. */
const withStream = (fields: Fields): Body => ({
  ...fields,
  ...(fields.stream === undefined ? {} : { stream: /^(true|1)$/i.test(fields.stream) }),
});

/** A parameter becomes one segment of the worker's path; nothing in it may change which path that is. */
const canonicalPath = (endpoint: ForwardedEndpoint, params: Readonly<Record<string, string>>): string =>
  (endpoint.paths[0] as string).replace(/\{(\w+)\+?\}/, (_, name) => {
    const value = params[name] ?? '';
    if (/^\.{1,2}$|[/\\\p{Cc}]/u.test(value)) throw new NotFoundError('There is no such path here.');
    return encodeURIComponent(value.toWellFormed());
  });

/** For a form LocalAI goes by the query's model even where the form names one: it has to be the one that was routed by. */
const agreeing = (query: string, isJson: boolean, servedModel: string | undefined): string => {
  const inQuery = isJson ? undefined : modelIn(query);
  return inQuery === undefined || servedModel === undefined ? query : withModel(query, servedModel);
};

/**
 * Reads what routing needs and leaves the bytes alone, unless the model has to be named differently.
 * @throws {InvalidRequestError} a field is missing or of the wrong type, or the multipart body cannot be parsed.
 * @throws {GatewayError} as `takeUploads`.
 */
export const readInferenceRequest = async (options: ReadOptions): Promise<InferenceRequest> => {
  const { endpoint, params, request, aliases, forms, takeUploads } = options;
  const bytes = request.bytes();
  const contentType = request.headers['content-type'] ?? '';
  const isJson = endpoint.input === 'json' || !isForm(contentType);
  const form = isJson ? undefined : ofForms(forms).parse(contentType, bytes);
  const fields = form ? withStream(ofForms(forms).readFields(form)) : readJson(endpoint, request.body);
  const { requestedModel, servedModel, changes, changesWithoutQuery } = nameModel({
    endpoint,
    inPath: params.model,
    field: (name) => optional(fields, name, 'string') as string | undefined,
    query: request.query,
    aliases,
  });
  const defaults: Changes = Object.fromEntries(
    Object.entries(isJson ? (endpoint.defaults ?? {}) : {}).filter(([field]) => fields[field] == null),
  );

  const changed = (all: Changes): Buffer => {
    if (Object.keys(all).length === 0) return bytes;
    return form ? ofForms(forms).withFields(form, all) : replaceFields(bytes, all);
  };
  const uploaded = endpoint.uploadFields
    ? await takeUploads?.({ endpoint, request, contentType, body: changed({ ...changes, ...changesWithoutQuery }) })
    : undefined;
  const bodies = new Map<string, Uint8Array>();
  const bodyFor: InferenceRequest['bodyFor'] = ({ engine }) => {
    if (uploaded) return uploaded.body;
    const { name, readsModelFromQuery, keepsFiles } = engineOf(engine);
    const known = bodies.get(name);
    const body =
      known ??
      changed({ ...changes, ...(readsModelFromQuery ? {} : changesWithoutQuery), ...(keepsFiles ? defaults : {}) });
    bodies.set(name, body);
    return body;
  };

  return {
    endpoint,
    requestedModel,
    servedModel,
    stream: ((optional(fields, 'stream', 'boolean') as boolean | undefined) ?? endpoint.streamsByDefault) === true,
    path:
      canonicalPath(endpoint, params) + targetQuery(agreeing(withoutCredentials(request.query), isJson, servedModel)),
    body: changed(changes),
    bodyFor,
    ...(isJson && { contentType: 'application/json' }),
    ...uploaded,
    prefix: endpoint.prefix?.(fields),
    session:
      request.headers['x-session-id'] ??
      request.headers['x-claude-code-session-id'] ??
      (typeof fields.prompt_cache_key === 'string' ? fields.prompt_cache_key : undefined),
    fields,
  };
};
