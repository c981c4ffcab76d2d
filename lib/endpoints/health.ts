import { openai } from '../dialects/openai.ts';
import { json } from '../http/reply.ts';
import type { Endpoint } from './endpoint.ts';
import { EVERY } from './family.ts';

const common = {
  kind: 'own',
  families: EVERY,
  methods: ['GET', 'HEAD'],
  dialect: openai,
  access: 'none',
  isUnmetered: true,
} as const;

export const healthEndpoints: readonly Endpoint[] = [
  { ...common, operation: 'healthz', paths: ['/healthz'], answer: () => json(200, { status: 'ok' }) },
  {
    ...common,
    operation: 'readyz',
    isReadiness: true,
    paths: ['/readyz'],
    answer: async ({ snapshot }) => {
      await snapshot();
      return json(200, { status: 'ready' });
    },
  },
];
