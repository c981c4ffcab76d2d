import { createGateway } from '../lib/gateway.ts';
import { createTranslation } from '../lib/inference/translation.ts';
import { anthropicPairs as pairs } from '../lib/translation/index.ts';

export const handler = createGateway('anthropic', { translating: { pairs, createTranslation } });
