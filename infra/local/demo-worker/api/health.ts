import type { Engines } from '../engines/index.ts';
import { sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';

/**
 * Health, and load. A busy worker is a healthy one: its status stays 200 and its body says `busy` with the counts.
 * `GET /load` has vLLM's `server_load` beside what runs and what waits.
 */
export const createHealthRoutes = (id: string, engines: Engines): Route[] => [
  {
    method: 'GET',
    paths: ['/healthz', '/readyz'],
    dialect: 'openai',
    handle(exchange) {
      const load = engines.load();
      sendJson(exchange, { status: load.running > 0 ? 'busy' : 'ok', ...load });
    },
  },
  {
    method: 'GET',
    paths: ['/load'],
    dialect: 'openai',
    handle(exchange) {
      const load = engines.load();
      sendJson(exchange, { id, server_load: load.running + load.waiting, ...load, served: engines.served() });
    },
  },
];
