import { sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';

/** `GET /.well-known/localai.json`, by which LocalAI lets itself be recognised; without it the Ollama routes would mislead. */
export const discoveryRoute: Route = {
  method: 'GET',
  paths: ['/.well-known/localai.json'],
  dialect: 'openai',
  handle: (exchange) =>
    sendJson(exchange, {
      version: 'demo',
      endpoints: {
        models: '/v1/models',
        chat: '/v1/chat/completions',
        embeddings: '/v1/embeddings',
        rerank: '/v1/rerank',
        speech: '/v1/audio/speech',
        transcriptions: '/v1/audio/transcriptions',
        images: '/v1/images/generations',
        vad: '/v1/vad',
        ready: '/readyz',
      },
    }),
};
