import { openai } from '../dialects/openai.ts';
import type { OwnEndpoint } from './endpoint.ts';

const common = { kind: 'own', families: ['nodes'], dialect: openai, access: 'admin' } as const;

/** Asked by operators, now and then: what answers lies in a file of its own. */
const answers = () => import('./service-answers.ts');

export const servicesEndpoints: readonly OwnEndpoint[] = [
  {
    ...common,
    operation: 'services',
    methods: ['GET', 'HEAD'],
    paths: ['/api/services'],
    answer: async (context) => (await answers()).listServices(context),
  },
  {
    ...common,
    operation: 'wake_service',
    methods: ['POST'],
    isBodyOptional: true,
    paths: ['/api/services/{name+}/wake'],
    answer: async (context) => (await answers()).wakeService(context),
  },
];
