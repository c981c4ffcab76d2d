import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createAnthropicRoutes } from './api/anthropic-messages.ts';
import { type Dialect, errorBody } from './api/dialect.ts';
import { discoveryRoute } from './api/discovery.ts';
import { createOllamaEmbedRoute, createOpenAiEmbeddingsRoute } from './api/embeddings.ts';
import { createHealthRoutes } from './api/health.ts';
import { createImageRoutes } from './api/images.ts';
import { createModelsRoute } from './api/models.ts';
import { createOllamaChatRoutes } from './api/ollama-chat.ts';
import { createOllamaModelRoutes } from './api/ollama-models.ts';
import { createOpenAiChatRoute } from './api/openai-chat.ts';
import { createOpenAiCompletionsRoute } from './api/openai-completions.ts';
import { createOpenAiResponsesRoute } from './api/openai-responses.ts';
import { createRerankRoute } from './api/rerank.ts';
import { createSpeechRoutes } from './api/speech.ts';
import { createTranscriptionRoutes } from './api/transcriptions.ts';
import { unavailableRoutes } from './api/unavailable.ts';
import { createVadRoute } from './api/vad.ts';
import { EngineInputError } from './engines/engine.ts';
import type { Engines } from './engines/index.ts';
import { ApiError } from './http/api-error.ts';
import { createRouteTable } from './http/route.ts';
import { createImageStore } from './images/store.ts';

const toApiError = (error: unknown): ApiError => {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineInputError) return new ApiError(400, error.message);
  return new ApiError(500, 'The engine failed.');
};

/** Says an error in the caller's dialect: as an HTTP error while that is possible, else inside the stream. */
const sendError = (response: ServerResponse, dialect: Dialect, error: ApiError) => {
  const body = JSON.stringify(errorBody(dialect, error));
  if (!response.headersSent) {
    response.writeHead(error.status, { 'content-type': 'application/json' }).end(body);
    return;
  }
  const contentType = String(response.getHeader('content-type'));
  if (contentType === 'application/x-ndjson') response.end(`${body}\n`);
  else if (contentType !== 'text/event-stream') response.destroy();
  else if (dialect === 'anthropic') response.end(`event: error\ndata: ${body}\n\n`);
  else response.end(`data: ${body}\n\ndata: [DONE]\n\n`);
};

const nearestDialect = (pathname: string): Dialect => {
  if (pathname.startsWith('/api/')) return 'ollama';
  return pathname.includes('/messages') ? 'anthropic' : 'openai';
};

/** An HTTP server that speaks as a LocalAI server does. Everything that computes runs in the engines' own threads. */
export const createDemoServer = ({ id, engines }: { id: string; engines: Engines }): Server => {
  const findRoutes = createRouteTable([
    createOpenAiChatRoute(engines),
    createOpenAiCompletionsRoute(engines),
    createOpenAiResponsesRoute(engines),
    createOpenAiEmbeddingsRoute(engines),
    ...createAnthropicRoutes(engines),
    ...createOllamaChatRoutes(engines),
    createOllamaEmbedRoute(engines),
    ...createOllamaModelRoutes(engines),
    createRerankRoute(engines),
    ...createSpeechRoutes(engines),
    ...createTranscriptionRoutes(engines),
    createVadRoute(engines),
    ...createImageRoutes(engines, createImageStore()),
    ...unavailableRoutes,
    createModelsRoute(engines),
    discoveryRoute,
    ...createHealthRoutes(id, engines),
  ]);

  const serve = async (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => {
    const url = new URL(request.url ?? '/', 'http://worker');
    const matches = findRoutes(url.pathname);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const match = matches.find(({ route }) => route.method === method);
    const dialect = match?.route.dialect ?? nearestDialect(url.pathname);
    try {
      if (matches.length === 0) throw new ApiError(404, `There is nothing at ${url.pathname}.`);
      if (!match) {
        const allowed = matches.map(({ route }) => route.method).join(', ');
        response.setHeader('allow', allowed);
        throw new ApiError(405, `${url.pathname} takes ${allowed}, not ${request.method}.`);
      }
      await match.route.handle({ request, response, url, params: match.params, signal });
    } catch (error) {
      if (signal.aborted) return;
      const known = toApiError(error);
      if (known.status === 500) console.error(error);
      sendError(response, dialect, known);
    }
  };

  return createServer((request, response) => {
    const client = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) client.abort(new Error('The client left.'));
    });
    void serve(request, response, client.signal);
  });
};
