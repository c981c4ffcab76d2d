import { openai } from '../dialects/openai.ts';
import type { Endpoint } from './endpoint.ts';

const common = {
  kind: 'forwarded',
  families: ['images'],
  methods: ['POST'],
  dialect: openai,
  modelField: 'model',
  hasImages: true,
} as const;
const multipart = {
  ...common,
  input: 'multipart',
  uploadFields: { image_id: 'image', file_id: 'image', mask_id: 'mask' },
} as const;

export const imagesEndpoints: readonly Endpoint[] = [
  {
    ...common,
    operation: 'image_generation',
    paths: ['/v1/images/generations'],
    input: 'json',
    // LocalAI's own default is a URL on the worker's disk.
    defaults: { response_format: 'b64_json' },
  },
  { ...multipart, operation: 'inpainting', paths: ['/v1/images/inpainting'] },
  { ...multipart, operation: 'image_edit', paths: ['/v1/images/edits'] },
];
