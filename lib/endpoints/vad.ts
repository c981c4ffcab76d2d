import { openai } from '../dialects/openai.ts';
import type { Endpoint } from './endpoint.ts';

/** LocalAI's voice activity detection. */
export const vadEndpoints: readonly Endpoint[] = [
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
