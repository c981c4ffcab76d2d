import { anthropic } from '../dialects/anthropic.ts';
import { messageStream } from '../dialects/message-stream.ts';
import type { ForwardedEndpoint } from './endpoint.ts';
import { anthropicPrefix } from './prefix.ts';

const common = {
  kind: 'forwarded',
  families: ['anthropic'],
  methods: ['POST'],
  dialect: anthropic,
  input: 'json',
  modelField: 'model',
  required: { messages: 'array' },
  prefix: anthropicPrefix,
} as const;

export const anthropicEndpoints: readonly ForwardedEndpoint[] = [
  { ...common, operation: 'messages', paths: ['/v1/messages'], stream: messageStream, genAiOperation: 'chat' },
  { ...common, operation: 'count_tokens', paths: ['/v1/messages/count_tokens'] },
];
