import { ApiError } from '../http/api-error.ts';
import type { Route } from '../http/route.ts';

const refuse = (path: string, status: number, message: string): Route => ({
  method: 'POST',
  paths: [`/v1/${path}`, `/${path}`],
  dialect: 'openai',
  handle({ request }) {
    request.resume();
    throw new ApiError(status, message);
  },
});

/** What LocalAI serves and no small engine here can: said, not faked. */
export const unavailableRoutes: readonly Route[] = [
  refuse(
    'sound-generation',
    400,
    'This demo worker has no model that makes sounds; it can speak, at /v1/audio/speech.',
  ),
  refuse(
    'audio/diarization',
    501,
    'This demo worker has no model that tells speakers apart; it can transcribe, at /v1/audio/transcriptions.',
  ),
];
