import { createGateway } from '../lib/gateway.ts';
import { peekFields } from '../lib/http/multipart.ts';
import { createTakeUploads } from '../lib/inference/uploaded-files.ts';
import { createUploads } from '../lib/uploads/uploads.ts';

export const handler = createGateway('images', { peekFields, uploading: { createUploads, createTakeUploads } });
