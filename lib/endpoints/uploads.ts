import { openai } from '../dialects/openai.ts';
import { InvalidRequestError, NotFoundError } from '../errors.ts';
import { json } from '../http/reply.ts';
import { isMediaType } from '../uploads/media-types.ts';
import type { Endpoint } from './endpoint.ts';

type Body = Readonly<Record<string, unknown>>;

const FILENAME_CHARACTERS = 255;

const readText = (body: Body, ...names: string[]): string | undefined => {
  const name = names.find((one) => body[one] != null);
  if (name === undefined) return undefined;
  const value = body[name];
  if (typeof value !== 'string' || value === '')
    throw new InvalidRequestError(`'${name}' must be a string.`, { param: name });
  return value;
};

const readContentType = (body: Body): string => {
  const type = readText(body, 'content_type', 'mime_type') ?? 'application/octet-stream';
  if (!isMediaType(type))
    throw new InvalidRequestError("'content_type' must be a media type.", { param: 'content_type' });
  return type;
};

/** The name alone: what stands before the last slash is the client's own business. */
const readFilename = (body: Body): string | undefined => {
  const name = readText(body, 'filename')
    ?.replace(/^.*[/\\]/s, '')
    .replace(/\p{Cc}/gu, '');
  if (!name) return undefined;
  if (name.length > FILENAME_CHARACTERS || !name.isWellFormed()) {
    throw new InvalidRequestError(`'filename' must have at most ${FILENAME_CHARACTERS} characters.`, {
      param: 'filename',
    });
  }
  return name;
};

const readBytes = ({ bytes }: Body): number | undefined => {
  if (bytes == null) return undefined;
  if (!Number.isSafeInteger(bytes) || (bytes as number) < 1) {
    throw new InvalidRequestError("'bytes' must be a positive whole number.", { param: 'bytes' });
  }
  return bytes as number;
};

const toSeconds = (ms: number) => Math.floor(ms / 1000);

export const uploadsEndpoints: readonly Endpoint[] = [
  {
    kind: 'own',
    operation: 'upload',
    families: ['audio', 'images'],
    methods: ['POST'],
    paths: ['/v1/uploads'],
    dialect: openai,
    input: 'json',
    isBodyOptional: true,
    // Nothing is kept: what the id may do stands in the id, the form and the object's key.
    answer: async ({ request, caller, uploads }) => {
      if (!uploads) {
        throw new NotFoundError(
          'Uploads are switched off here. The operator switches them on by setting GATEWAY_UPLOAD_BUCKET to the name of an S3 bucket.',
        );
      }
      const body = request.body ?? {};
      if (typeof body !== 'object' || Array.isArray(body)) {
        throw new InvalidRequestError('The body must be a JSON object.');
      }
      const { id, expiresAt, maxBytes, form, formExpiresAt } = await uploads.create({
        caller,
        contentType: readContentType(body as Body),
        filename: readFilename(body as Body),
        bytes: readBytes(body as Body),
      });
      return json(200, {
        id,
        object: 'upload',
        expires_at: toSeconds(expiresAt),
        max_bytes: maxBytes,
        upload: { ...form, expires_at: toSeconds(formExpiresAt) },
      });
    },
  },
];
