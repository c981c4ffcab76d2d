import { openai } from '../dialects/openai.ts';
import type { ForwardedEndpoint } from './endpoint.ts';

/** Jina's rerank API, whose error body LocalAI and OpenAI share. */
export const rerankEndpoints: readonly ForwardedEndpoint[] = [
  {
    kind: 'forwarded',
    operation: 'rerank',
    families: ['rerank'],
    methods: ['POST'],
    paths: ['/v1/rerank', '/v1/reranking', '/v2/rerank'],
    dialect: openai,
    input: 'json',
    modelField: 'model',
  },
];
