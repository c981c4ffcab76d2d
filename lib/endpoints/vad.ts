import { openai } from '../dialects/openai.ts';
import type { ForwardedEndpoint } from './endpoint.ts';

/** LocalAI's voice activity detection. */
export const vadEndpoints: readonly ForwardedEndpoint[] = [
  {
    kind: 'forwarded',
    operation: 'vad',
    families: ['vad'],
    methods: ['POST'],
    paths: ['/v1/vad'],
    dialect: openai,
    input: 'json',
    modelField: 'model',
  },
];
