import { createGateway } from '../lib/gateway.ts';
import { createTakeUploads } from '../lib/inference/uploaded-files.ts';
import { createUploads } from '../lib/uploads/uploads.ts';

export const handler = createGateway('audio', { uploading: { createUploads, createTakeUploads } });
