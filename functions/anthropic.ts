import { createGateway } from '../lib/gateway.ts';

export const handler = createGateway('anthropic');
