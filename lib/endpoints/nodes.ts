import { openai } from '../dialects/openai.ts';
import { engineOf } from '../engines/index.ts';
import { json } from '../http/reply.ts';
import type { Worker } from '../worker.ts';
import type { Endpoint } from './endpoint.ts';

/** LocalAI's field names (its `GET /api/nodes`), as far as a gateway knows them. */
const node = ({ id, name, url, status, engine, models, labels, lastHeartbeat }: Worker) => ({
  id,
  name,
  node_type: 'backend',
  address: new URL(url).host,
  http_address: new URL(url).host,
  status,
  engine: engineOf(engine).name,
  models: models ?? null,
  model_count: models?.length ?? 0,
  labels: labels ?? {},
  last_heartbeat: lastHeartbeat ?? null,
});

export const nodesEndpoints: readonly Endpoint[] = [
  {
    kind: 'own',
    operation: 'nodes',
    families: ['nodes'],
    methods: ['GET', 'HEAD'],
    paths: ['/api/nodes'],
    dialect: openai,
    access: 'admin',
    answer: async ({ snapshot }) =>
      json(
        200,
        [...(await snapshot()).workers].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).map(node),
      ),
  },
];
