import { ollama } from '../dialects/ollama.ts';
import { ollamaStream } from '../dialects/ollama-stream.ts';
import { InvalidRequestError, ModelNotFoundError, NotServedError } from '../errors.ts';
import { json, text } from '../http/reply.ts';
import { type CatalogEntry, catalog, findModel, listedModel } from './catalog.ts';
import type { Endpoint, ForwardedEndpoint } from './endpoint.ts';
import { EVERY } from './family.ts';
import { messagesPrefix, promptPrefix } from './prefix.ts';

/** The level of Ollama's API spoken here; clients refuse servers that say an older one. */
const API_VERSION = '0.9.0';
const EPOCH = '1970-01-01T00:00:00Z';
/** Ollama's own word for a model that is never unloaded; its clients call a time in the past "Stopping...". */
const FOREVER = '2318-01-01T00:00:00Z';
const DETAILS = { parent_model: '', format: '', family: '', families: [], parameter_size: '', quantization_level: '' };

const forwarded = {
  kind: 'forwarded',
  families: ['ollama'],
  methods: ['POST'],
  dialect: ollama,
  input: 'json',
  modelField: 'model',
} as const;
const answered = { kind: 'answered', families: ['ollama'], dialect: ollama } as const;
const readable = ['GET', 'HEAD'] as const;

const tag = ({ id }: CatalogEntry) => ({
  name: id,
  model: id,
  modified_at: EPOCH,
  size: 0,
  // Clients compare digests to tell models apart; weights are not at hand, names are.
  // Loaded here and not above: at the start of every function it would take longer than the whole table.
  digest: process.getBuiltinModule('node:crypto').createHash('sha256').update(id).digest('hex'),
  details: DETAILS,
});

/** `name` is what `model` was called before: Ollama reads it where `model` is empty. */
const nameOf = ({ model, name }: Readonly<Record<string, unknown>>): string => {
  const asked = model || name;
  return typeof asked === 'string' ? asked : '';
};

/** What can be said of a model that runs on an engine without Ollama's API. */
const shown = ({ id, aliasOf = id }: CatalogEntry) => ({
  modelfile: `FROM ${aliasOf}\n`,
  parameters: '',
  template: '',
  details: DETAILS,
  model_info: { 'general.basename': id },
  capabilities: ['completion'],
  modified_at: EPOCH,
});

const show: ForwardedEndpoint = {
  ...forwarded,
  operation: 'ollama_show',
  paths: ['/api/show'],
  otherModelField: 'name',
  check: (body) => {
    if (!nameOf(body)) throw new InvalidRequestError("'model' must name a model.", 'model');
  },
  fallback: (body, snapshot, failure) => {
    const name = nameOf(body);
    // A worker that may have any model knows better than its list whether it has this one.
    const entry = failure ? findModel(snapshot, name) : listedModel(snapshot, name);
    if (!entry && failure instanceof NotServedError) throw new ModelNotFoundError(name);
    return entry && json(200, shown(entry));
  },
};

export const ollamaEndpoints: readonly Endpoint[] = [
  {
    ...forwarded,
    operation: 'ollama_chat',
    paths: ['/api/chat'],
    genAiOperation: 'chat',
    stream: ollamaStream,
    streamsByDefault: true,
    prefix: messagesPrefix,
  },
  {
    ...forwarded,
    operation: 'ollama_generate',
    paths: ['/api/generate'],
    genAiOperation: 'text_completion',
    stream: ollamaStream,
    streamsByDefault: true,
    prefix: promptPrefix,
  },
  { ...forwarded, operation: 'ollama_embed', paths: ['/api/embed'], genAiOperation: 'embeddings' },
  { ...forwarded, operation: 'ollama_embeddings', paths: ['/api/embeddings'], genAiOperation: 'embeddings' },
  {
    ...answered,
    operation: 'tags',
    methods: readable,
    paths: ['/api/tags'],
    answer: async ({ snapshot }) => json(200, { models: catalog(await snapshot()).map(tag) }),
  },
  show,
  {
    ...answered,
    operation: 'ps',
    methods: readable,
    paths: ['/api/ps'],
    answer: async ({ snapshot }) =>
      json(200, {
        models: catalog(await snapshot())
          .filter(({ aliasOf }) => aliasOf === undefined)
          .map((entry) => ({ ...tag(entry), expires_at: FOREVER, size_vram: 0 })),
      }),
  },
  {
    ...answered,
    operation: 'version',
    methods: readable,
    paths: ['/api/version'],
    answer: () => json(200, { version: API_VERSION }),
  },
  {
    ...answered,
    operation: 'root',
    // Clients of every dialect look whether an address answers.
    families: ['ollama', ...EVERY.filter((family) => family !== 'ollama')],
    methods: readable,
    paths: ['/'],
    answer: () => text(200, 'Ollama is running'),
  },
];
