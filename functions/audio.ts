import { createGateway } from '../lib/gateway.ts';
import { peekFields } from '../lib/http/multipart.ts';

export const handler = createGateway('audio', { peekFields });
