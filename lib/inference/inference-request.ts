import type { ForwardedEndpoint, Prefix } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { InvalidRequestError, NotFoundError } from '../errors.ts';
import { replaceFields as replaceJsonFields } from '../http/json-body.ts';
import { type Fields, isForm, type PeekFields, replaceFields as replaceFormFields } from '../http/multipart.ts';
import type { StreamedBody } from '../upstream/streamed-body.ts';
import { sameModel } from '../worker.ts';
import type { TakeUploads } from './uploaded-files.ts';

type Body = Readonly<Record<string, unknown>>;

/** What only functions need whose endpoints take forms. */
export interface FormMeans {
  readonly peekFields?: PeekFields | undefined;
  /** Left out: files come in the request and nowhere else. */
  readonly takeUploads?: TakeUploads | undefined;
}

/** One request for a worker, with all that routing needs of it. */
export interface InferenceRequest {
  readonly endpoint: ForwardedEndpoint;
  /** What the client asked for. */
  readonly requestedModel: string | undefined;
  /** What the worker is asked for: the alias's target, or the same. */
  readonly servedModel: string | undefined;
  readonly stream: boolean;
  /** Canonical path with the raw query. */
  readonly path: string;
  readonly body: Uint8Array | StreamedBody;
  /** Where the body is not the client's own: its type. */
  readonly contentType?: string;
  /** Deletes the uploads it named, unless they are to be kept; for when the worker is done with them. */
  readonly forgetUploads?: () => Promise<void>;
  readonly prefix: Prefix | undefined;
  /** The client's own name for the conversation. */
  readonly session: string | undefined;
  /** The parsed JSON body, or the text fields of a multipart body. */
  readonly fields: Body;
}

const optional = (body: Body, field: string, type: 'string' | 'boolean'): unknown => {
  const value = body[field];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== type) throw new InvalidRequestError(`'${field}' must be a ${type}.`, field);
  return value;
};

const readJson = (endpoint: ForwardedEndpoint, body: unknown): Body => {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new InvalidRequestError('The body must be a JSON object.');
  }
  for (const [field, type] of Object.entries(endpoint.required ?? {})) {
    const value = (body as Body)[field];
    if (value === undefined) throw new InvalidRequestError(`'${field}' is missing.`, field);
    if (type === 'array' && !Array.isArray(value)) throw new InvalidRequestError(`'${field}' must be an array.`, field);
  }
  endpoint.check?.(body as Body);
  return body as Body;
};

/** A multipart boolean is text. */
const readForm = async (contentType: string, bytes: Buffer, peekFields: PeekFields | undefined): Promise<Body> => {
  if (!peekFields) throw new Error('this function takes forms and was given nothing to read them with');
  const fields: Fields = await peekFields(contentType, bytes);
  return { ...fields, ...(fields.stream === undefined ? {} : { stream: /^(true|1)$/i.test(fields.stream) }) };
};

/** A parameter becomes one segment of the worker's path; nothing in it may change which path that is. */
const canonicalPath = (endpoint: ForwardedEndpoint, params: Readonly<Record<string, string>>): string =>
  (endpoint.paths[0] as string).replace(/\{(\w+)\+?\}/, (_, name) => {
    const value = params[name] ?? '';
    if (/^\.{1,2}$|[/\\\p{Cc}]/u.test(value)) throw new NotFoundError('There is no such path here.');
    return encodeURIComponent(value.toWellFormed());
  });

/** As sent; what may not stand in a request target (RFC 3986 3.4) is encoded, so that no client can break the line. */
const safeQuery = (query: string): string =>
  query && `?${query.toWellFormed().replace(/[^\x21\x22\x24-\x7e]/gu, encodeURIComponent)}`;

const resolveAlias = (aliases: Readonly<Record<string, string>>, model: string): string => {
  const alias = Object.keys(aliases).find((name) => sameModel(name, model));
  return alias === undefined ? model : (aliases[alias] ?? model);
};

/**
 * Reads what routing needs and leaves the bytes alone, unless the model has to be named differently.
 * @param params the path's parameters.
 * @param aliases alias -> served model.
 * @param means of functions whose endpoints take forms.
 * @throws {InvalidRequestError} a field is missing or of the wrong type, or the multipart body cannot be parsed.
 * @throws {GatewayError} as `takeUploads`.
 */
export const readInferenceRequest = async (
  endpoint: ForwardedEndpoint,
  params: Readonly<Record<string, string>>,
  request: GatewayRequest,
  aliases: Readonly<Record<string, string>>,
  { peekFields, takeUploads }: FormMeans = {},
): Promise<InferenceRequest> => {
  const bytes = request.bytes();
  const contentType = request.headers['content-type'] ?? '';
  const isJson = endpoint.input === 'json' || !isForm(contentType);
  const fields = isJson ? readJson(endpoint, request.body) : await readForm(contentType, bytes, peekFields);
  const { modelField } = endpoint;
  const inBody = (optional(fields, modelField, 'string') ?? optional(fields, 'model', 'string')) as string | undefined;
  const requestedModel = params.model ?? inBody;
  const servedModel = requestedModel === undefined ? undefined : resolveAlias(aliases, requestedModel);
  const changes = Object.fromEntries(
    Object.entries(isJson ? (endpoint.defaults ?? {}) : {}).filter(([field]) => fields[field] == null),
  );
  if (servedModel !== undefined && servedModel !== inBody) {
    changes[modelField in fields || !('model' in fields) ? modelField : 'model'] = servedModel;
  }
  const replace = isJson ? replaceJsonFields : replaceFormFields(contentType);
  const body = Object.keys(changes).length === 0 ? bytes : replace(bytes, changes);
  const uploaded = await takeUploads?.({ endpoint, request, contentType, body });
  return {
    endpoint,
    requestedModel,
    servedModel,
    stream: ((optional(fields, 'stream', 'boolean') as boolean | undefined) ?? endpoint.streamsByDefault) === true,
    path: canonicalPath(endpoint, params) + safeQuery(request.query),
    body,
    ...uploaded,
    prefix: endpoint.prefix?.(fields),
    session:
      request.headers['x-session-id'] ??
      request.headers['x-claude-code-session-id'] ??
      (typeof fields.prompt_cache_key === 'string' ? fields.prompt_cache_key : undefined),
    fields,
  };
};
