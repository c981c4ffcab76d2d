import { createGateway } from '../lib/gateway.ts';
import { forms } from '../lib/http/form-fields.ts';
import { createTakeUploads } from '../lib/inference/uploaded-files.ts';
import { createUploads } from '../lib/uploads/uploads.ts';

export const handler = createGateway('audio', { forms, uploading: { createUploads, createTakeUploads } });
