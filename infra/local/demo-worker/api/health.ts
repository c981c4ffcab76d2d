import type { Engines } from '../engines/index.ts';
import { sendBytes, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';

/**
 * Health, and load. A busy worker is a healthy one: its status stays 200 and its body says `busy` with the counts.
 * `GET /load` has vLLM's `server_load` beside what runs and what waits; `GET /metrics` has them, and what was served, in
 * the words of a HAProxy in front of a worker, which keeps questions about it apart (`lookups`).
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
  {
    method: 'GET',
    paths: ['/metrics'],
    dialect: 'openai',
    handle(exchange) {
      const { running, waiting } = engines.load();
      const served = Object.values(engines.served()).reduce((sum, count) => sum + count, 0);
      const server = (proxy: string, [queue, sessions, total]: readonly number[]) =>
        Object.entries({ current_queue: queue, current_sessions: sessions, sessions_total: total }).map(
          ([name, count]) => `haproxy_server_${name}{proxy="${proxy}",server="engine"} ${count}\n`,
        );
      const lines = [...server('inference', [waiting, running, served]), ...server('lookups', [0, 0, 0])];
      sendBytes(exchange, 'text/plain; version=0.0.4', lines.join(''));
    },
  },
];
