import { ollama } from '../dialects/ollama.ts';
import { ollamaStream } from '../dialects/ollama-stream.ts';
import { InvalidRequestError, ModelNotFoundError, NotServedError } from '../errors.ts';
import { json, text } from '../http/reply.ts';
import type { Endpoint, ForwardedEndpoint, OwnEndpoint } from './endpoint.ts';
import { EVERY } from './family.ts';
import { messagesPrefix, promptPrefix } from './prefix.ts';

const forwarded = {
  kind: 'forwarded',
  families: ['ollama'],
  methods: ['POST'],
  dialect: ollama,
  input: 'json',
  modelField: 'model',
} as const;
const answered = { kind: 'own', families: ['ollama'], dialect: ollama } as const;
const readable = ['GET', 'HEAD'] as const;

/** Asked for when an application starts, not with every request: files of their own. */
const words = () => import('./ollama-models.ts');
const loaded = () => import('./ollama-loaded.ts');

/** `name` is what `model` was called before: Ollama reads it where `model` is empty. */
const nameOf = ({ model, name }: Readonly<Record<string, unknown>>): string => {
  const asked = model || name;
  return typeof asked === 'string' ? asked : '';
};

const show: ForwardedEndpoint = {
  ...forwarded,
  operation: 'ollama_show',
  paths: ['/api/show'],
  otherModelField: 'name',
  check: (body) => {
    if (!nameOf(body)) throw new InvalidRequestError("'model' must name a model.", { param: 'model' });
  },
  fallback: async (body, snapshot, failure, canServe) => {
    const name = nameOf(body);
    const shown = (await words()).shownIn(snapshot, name, canServe, failure !== undefined);
    if (!shown && failure instanceof NotServedError) throw new ModelNotFoundError(name);
    return shown && json(200, shown);
  },
};

const forwardedEndpoints: readonly ForwardedEndpoint[] = [
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
  show,
];

const answeredEndpoints: readonly OwnEndpoint[] = [
  {
    ...answered,
    operation: 'tags',
    methods: readable,
    paths: ['/api/tags'],
    answer: async ({ snapshot, canServe }) => json(200, { models: (await words()).tagsIn(await snapshot(), canServe) }),
  },
  {
    ...answered,
    operation: 'ps',
    methods: readable,
    paths: ['/api/ps'],
    answer: async ({ snapshot, ask, canServe }) =>
      json(200, { models: await (await loaded()).loadedModels(await snapshot(), { ask, canServe }) }),
  },
  {
    ...answered,
    operation: 'version',
    methods: readable,
    paths: ['/api/version'],
    answer: async ({ snapshot }) => json(200, { version: (await words()).ollamaVersion(await snapshot()) }),
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
  {
    ...answered,
    operation: 'hello',
    // Claude Code asks it before it shows a key.
    families: ['ollama', ...EVERY.filter((family) => family !== 'ollama')],
    methods: readable,
    access: 'none',
    isUnmetered: true,
    paths: ['/api/hello'],
    answer: () => json(200, { status: 'ok' }),
  },
  {
    ...answered,
    operation: 'manage_models',
    methods: undefined,
    paths: ['/api/pull', '/api/push', '/api/create', '/api/copy', '/api/delete', '/api/blobs', '/api/blobs/{digest}'],
    answer: () => {
      throw new NotServedError(
        'Models are managed on the workers, and this gateway only spreads requests over them. GET /api/tags lists the models there are.',
      );
    },
  },
];

export const ollamaEndpoints: readonly Endpoint[] = [...forwardedEndpoints, ...answeredEndpoints];
