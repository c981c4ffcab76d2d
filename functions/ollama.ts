import { createGateway } from '../lib/gateway.ts';
import { createTranslation } from '../lib/inference/translation.ts';
import { ollamaPairs as pairs } from '../lib/translation/index.ts';

export const handler = createGateway('ollama', { translating: { pairs, createTranslation } });
