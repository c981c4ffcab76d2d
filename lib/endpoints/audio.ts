import { openai } from '../dialects/openai.ts';
import { transcriptStream } from '../dialects/transcript-stream.ts';
import type { ForwardedEndpoint } from './endpoint.ts';

const common = { kind: 'forwarded', families: ['audio'], methods: ['POST'], dialect: openai } as const;
const multipart = { ...common, input: 'multipart', modelField: 'model', uploadFields: { file_id: 'file' } } as const;
const elevenLabs = { ...common, input: 'json', modelField: 'model_id' } as const;

export const audioEndpoints: readonly ForwardedEndpoint[] = [
  {
    ...multipart,
    operation: 'transcription',
    paths: ['/v1/audio/transcriptions'],
    stream: transcriptStream,
  },
  {
    ...multipart,
    operation: 'translation',
    paths: ['/v1/audio/translations'],
    stream: transcriptStream,
  },
  { ...multipart, operation: 'diarization', paths: ['/v1/audio/diarization'] },
  { ...multipart, operation: 'audio_classification', paths: ['/v1/audio/classification'] },
  {
    ...multipart,
    operation: 'audio_transformation',
    // LocalAI's, and outside `/v1` there.
    paths: ['/audio/transformations'],
    uploadFields: { file_id: 'audio', audio_id: 'audio', reference_id: 'reference' },
  },
  {
    ...common,
    operation: 'speech',
    paths: ['/v1/audio/speech', '/tts'],
    input: 'json',
    modelField: 'model',
  },
  { ...elevenLabs, operation: 'text_to_speech', paths: ['/v1/text-to-speech/{voice}'] },
  { ...elevenLabs, operation: 'sound_generation', paths: ['/v1/sound-generation'] },
];
