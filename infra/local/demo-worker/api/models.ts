import type { Engines } from '../engines/index.ts';
import { sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';

/** `GET /v1/models`, in LocalAI's shape. */
export const createModelsRoute = (engines: Engines): Route => ({
  method: 'GET',
  paths: ['/v1/models', '/models'],
  dialect: 'openai',
  handle: (exchange) =>
    sendJson(exchange, { object: 'list', data: engines.models.map((id) => ({ id, object: 'model' })) }),
});
