import { createGateway } from '../lib/gateway.ts';
import { forms } from '../lib/http/form-fields.ts';
import { createImages } from '../lib/inference/images.ts';
import { createTakeUploads } from '../lib/inference/uploaded-files.ts';
import { createUploads } from '../lib/uploads/uploads.ts';

export const handler = createGateway('images', {
  forms,
  createImages,
  uploading: { createUploads, createTakeUploads },
});
