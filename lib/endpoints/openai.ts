import { completionStream } from '../dialects/completion-stream.ts';
import { openai } from '../dialects/openai.ts';
import { responseStream } from '../dialects/response-stream.ts';
import { InvalidRequestError, NotServedError } from '../errors.ts';
import type { Endpoint, ForwardedEndpoint, OwnEndpoint } from './endpoint.ts';
import { messagesPrefix, promptPrefix, responsesPrefix } from './prefix.ts';

const common = {
  families: ['openai'],
  methods: ['POST'],
  dialect: openai,
  input: 'json',
  modelField: 'model',
  kind: 'forwarded',
} as const;

const refuseState = (body: Readonly<Record<string, unknown>>) => {
  const needsState = ['previous_response_id', 'conversation', 'background'].find((field) => body[field]);
  if (!needsState) return;
  throw new InvalidRequestError(
    `'${needsState}' needs state kept on one worker, and this gateway spreads requests over many. Send the whole conversation in 'input' instead.`,
    { param: needsState },
  );
};

const forwardedEndpoints: readonly ForwardedEndpoint[] = [
  {
    ...common,
    operation: 'chat',
    paths: ['/v1/chat/completions'],
    genAiOperation: 'chat',
    required: { messages: 'array' } as const,
    stream: completionStream,
    prefix: messagesPrefix,
  },
  {
    ...common,
    operation: 'completions',
    paths: ['/v1/completions', '/v1/engines/{model+}/completions'],
    genAiOperation: 'text_completion',
    stream: completionStream,
    prefix: promptPrefix,
  },
  {
    ...common,
    operation: 'embeddings',
    paths: ['/v1/embeddings', '/v1/engines/{model+}/embeddings'],
    genAiOperation: 'embeddings',
  },
  {
    ...common,
    operation: 'responses',
    paths: ['/v1/responses'],
    genAiOperation: 'chat',
    stream: responseStream,
    prefix: responsesPrefix,
    check: refuseState,
  },
  { ...common, operation: 'input_tokens', paths: ['/v1/chat/completions/input_tokens'] },
  { ...common, operation: 'input_tokens', paths: ['/v1/responses/input_tokens'], check: refuseState },
  { ...common, operation: 'tokenize', paths: ['/v1/tokenize'] },
  { ...common, operation: 'detokenize', paths: ['/v1/detokenize'] },
  { ...common, operation: 'moderation', paths: ['/v1/moderations'] },
];

const realtime: OwnEndpoint = {
  kind: 'own',
  operation: 'realtime',
  families: ['openai'],
  methods: undefined,
  paths: ['/v1/realtime', '/v1/realtime/{id+}'],
  dialect: openai,
  answer: () => {
    throw new NotServedError(
      'The realtime API needs a WebSocket (GET /v1/realtime with Upgrade: websocket), which a Lambda function cannot open; the gateway as a container can. Use /v1/chat/completions with stream, or /v1/audio/transcriptions and /v1/audio/speech.',
    );
  },
};

export const openaiEndpoints: readonly Endpoint[] = [...forwardedEndpoints, realtime];
