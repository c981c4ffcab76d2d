import { createGateway } from '../lib/gateway.ts';
import { createTranslation } from '../lib/inference/translation.ts';
import { openaiPairs as pairs } from '../lib/translation/index.ts';

export const handler = createGateway('openai', { translating: { pairs, createTranslation } });
