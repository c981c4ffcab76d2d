import { openai } from '../dialects/openai.ts';
import type { ForwardedEndpoint } from './endpoint.ts';

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

export const imagesEndpoints: readonly ForwardedEndpoint[] = [
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
  { ...multipart, operation: 'image_variation', paths: ['/v1/images/variations'] },
  { ...common, operation: 'image_upscale', paths: ['/v1/images/upscale'], input: 'json' },
  { ...common, operation: 'detection', paths: ['/v1/detection'], input: 'json', hasImages: undefined },
  {
    ...common,
    operation: 'video',
    // LocalAI's, and outside `/v1` there. A video is no picture: asked for in the answer, it is passed on as it is.
    paths: ['/video'],
    input: 'json',
    hasImages: undefined,
    defaults: { response_format: 'b64_json' },
  },
];
