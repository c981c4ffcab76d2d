import type { ForwardedEndpoint } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { InvalidRequestError } from '../errors.ts';
import { type FormPart, isForm, parseForm } from '../http/form.ts';
import { joinForm, textPart, type WholePart, wholePart } from '../http/form-body.ts';
import { textOf } from '../http/form-fields.ts';
import { parseExact } from '../http/json-body.ts';
import type { Uploads } from '../uploads/uploads.ts';
import type { StreamedBody } from '../upstream/streamed-body.ts';

/** As many images as OpenAI's edits take. */
const MOST_FILES = 16;

/** A file that a request names instead of carrying it. */
interface Reference {
  readonly id: string;
  /** The field that named it. */
  readonly field: string;
  /** The part it becomes. */
  readonly part: string;
}

interface Taken {
  readonly references: readonly Reference[];
  /** Everything else, as parts. */
  readonly rest: readonly WholePart[];
  /** Whether the upload outlives this request. */
  readonly keep: boolean;
}

type UploadFields = Readonly<Record<string, string>>;

const targetOf = (fields: UploadFields, name: string): string | undefined =>
  Object.hasOwn(fields, name) ? fields[name] : undefined;

const isTrue = (value: unknown): boolean => value === true || /^(?:true|1)$/i.test(String(value));

const takeFromForm = (contentType: string, body: Buffer, fields: UploadFields): Taken => {
  const form = parseForm(contentType, body);
  const targetOfPart = ({ name }: FormPart) => targetOf(fields, name?.replace(/\[\]$/, '') ?? '');
  return {
    references: form.parts.flatMap((part) => {
      const target = targetOfPart(part);
      const { name: field = '' } = part;
      if (target === undefined) return [];
      return [{ id: textOf(form, part), field, part: field.endsWith('[]') ? `${target}[]` : target }];
    }),
    rest: form.parts
      .filter((part) => targetOfPart(part) === undefined && part.name !== 'keep')
      .map((part) => wholePart(form, part)),
    keep: form.parts.some((part) => part.name === 'keep' && isTrue(textOf(form, part))),
  };
};

/** A JSON value as a form says it: lists as repeated `name[]`, as OpenAI's clients do. */
const toParts = ([name, value]: readonly [string, unknown]): WholePart[] => {
  if (value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item) => toParts([`${name}[]`, item]));
  return [textPart(name, typeof value === 'string' ? value : JSON.stringify(value))];
};

const takeFromJson = (body: Buffer, fields: UploadFields): Taken => {
  const values = Object.entries(parseExact(body));
  return {
    references: values.flatMap(([field, value]) => {
      const part = targetOf(fields, field);
      if (part === undefined || value === null) return [];
      const isList = Array.isArray(value);
      return (isList ? value : [value]).map((id) => {
        if (typeof id !== 'string')
          throw new InvalidRequestError(`'${field}' must be the id of an upload.`, { param: field });
        return { id, field, part: isList ? `${part}[]` : part };
      });
    }),
    rest: values.filter(([name]) => targetOf(fields, name) === undefined && name !== 'keep').flatMap(toParts),
    keep: values.some(([name, value]) => name === 'keep' && isTrue(value)),
  };
};

const check = ({ references, rest }: Taken): void => {
  if (references.length > MOST_FILES) {
    throw new InvalidRequestError(`At most ${MOST_FILES} uploads fit into one request.`, {
      param: references[0]?.field,
    });
  }
  for (const reference of references) {
    const { part, field } = reference;
    const isTwice = references.some((other) => other !== reference && other.part === part && !part.endsWith('[]'));
    if (isTwice || rest.some(({ name }) => name === part)) {
      throw new InvalidRequestError(`'${field}' names the file '${part}', which is given twice: send it once.`, {
        param: field,
      });
    }
  }
};

export interface NamingRequest {
  readonly endpoint: ForwardedEndpoint;
  readonly request: GatewayRequest;
  readonly contentType: string;
  readonly body: Buffer;
}

/** What takes the place of the client's body. */
export interface UploadedFiles {
  readonly body: StreamedBody;
  readonly contentType: string;
  readonly forgetUploads: () => Promise<void>;
}

/** @returns `undefined` when the request carries its files itself. */
export type TakeUploads = (naming: NamingRequest) => Promise<UploadedFiles | undefined>;

/**
 * Puts uploads in place of the fields that name them, JSON becoming a form on the way. The files themselves are read
 * only while they are sent.
 *
 * The returned function @throws {InvalidRequestError} JSON that names no upload, or a file given twice.
 * @throws {GatewayError} as `Uploads.find`.
 */
export const createTakeUploads =
  (uploads: Uploads): TakeUploads =>
  async ({ endpoint, request, contentType, body }) => {
    const fields = endpoint.uploadFields;
    if (!fields) return undefined;
    const isCarrying = isForm(contentType);
    const taken = isCarrying ? takeFromForm(contentType, body, fields) : takeFromJson(body, fields);
    const { references, rest, keep } = taken;
    if (references.length === 0) {
      if (isCarrying) return undefined;
      const [field = ''] = Object.keys(fields);
      throw new InvalidRequestError(`'${field}' is missing: JSON names the file by the id of an upload.`, {
        param: field,
      });
    }
    check(taken);
    const files = await Promise.all(
      references.map(({ id, field }) => uploads.find(id, request.caller, field, request.deadline.signal)),
    );
    const streamed = files.map((file, at) => ({ ...file, name: (references[at] as Reference).part }));
    const form = joinForm([...rest, ...streamed]);
    return {
      body: form,
      contentType: form.contentType,
      forgetUploads: keep ? async () => {} : () => uploads.remove(files),
    };
  };
