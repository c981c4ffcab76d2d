import { crc32 } from 'node:zlib';
import { type Answer, type Asked, binaryAnswer, jsonAnswer, sseAnswer, textAnswer, wordsOf } from './answer.ts';

/** A RIFF chunk: four letters, length, data padded to an even length. */
const riff = (id: string, data: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.write(id, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
};

/** A valid 16 kHz mono WAV of a quarter second that carries the worker's name as its INFO artist. */
export const wavOf = (name: string): Buffer => {
  const format = Buffer.alloc(16);
  for (const [at, value] of [1, 1, 16_000, 0, 32_000, 0, 2, 16].entries()) {
    if (value) format.writeUInt16LE(value & 0xffff, at * 2);
  }
  const samples = Buffer.alloc(8000);
  for (let at = 0; at < 4000; at += 1) samples.writeInt16LE(Math.round(8000 * Math.sin(at / 6)), at * 2);
  const info = Buffer.concat([Buffer.from('INFO'), riff('IART', Buffer.from(name))]);
  const body = Buffer.concat([Buffer.from('WAVE'), riff('fmt ', format), riff('LIST', info), riff('data', samples)]);
  return riff('RIFF', body);
};

/** A valid 1 x 1 PNG that carries the worker's name in a text chunk. */
export const pngOf = (name: string): Buffer => {
  const chunk = (type: string, data: Buffer): Buffer => {
    const typed = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(typed), 4);
    return Buffer.concat([frame.subarray(0, 4), typed, frame.subarray(4)]);
  };
  const header = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
  const pixel = Buffer.from('789c63f80f0001010100', 'hex');
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('tEXt', Buffer.from(`Author\0${name}`)),
    chunk('IDAT', pixel),
    chunk('IEND', Buffer.alloc(0)),
  ]);
};

const inBlocks = (bytes: Buffer, count: number): Buffer[] => {
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
};

const transcription = (asked: Asked): Answer => {
  const words = wordsOf(asked.name);
  const text = words.join('');
  if (String(asked.fields.stream) === 'true') {
    const deltas = words.map((delta) => ({ data: { type: 'transcript.text.delta', delta } }));
    return sseAnswer([...deltas, { data: { type: 'transcript.text.done', text } }, { data: '[DONE]' }], 2);
  }
  const format = String(asked.fields.response_format ?? 'json');
  if (format === 'text') return textAnswer(`${text}\n`);
  if (format === 'srt') return textAnswer(`1\n00:00:00,000 --> 00:00:01,000\n${text}\n\n`, 'application/x-subrip');
  if (format === 'vtt') return textAnswer(`WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n${text}\n`, 'text/vtt');
  if (format === 'json') return jsonAnswer({ text, bytes: asked.files.file });
  const segments = [
    { id: 0, start: 0, end: 1, text, ...(asked.fields.diarize === 'true' && { speaker: 'SPEAKER_00' }) },
  ];
  return jsonAnswer({ task: 'transcribe', language: 'de', duration: 1, text, segments });
};

const diarization = (asked: Asked): Answer =>
  asked.fields.response_format === 'rttm'
    ? textAnswer(`SPEAKER ${asked.name} 1 0.000 1.000 <NA> <NA> SPEAKER_00 <NA> <NA>\n`)
    : jsonAnswer({
        task: 'diarize',
        duration: 1,
        num_speakers: 1,
        segments: [{ id: 0, speaker: 'SPEAKER_00', label: asked.name, start: 0, end: 1 }],
        bytes: asked.files.file,
      });

const speech = (asked: Asked): Answer => binaryAnswer('audio/wav', inBlocks(wavOf(asked.name), 4));

const images = (asked: Asked): Answer => {
  const inline = asked.fields.response_format === 'b64_json' || /\/(edits|variations|upscale)$/.test(asked.path);
  const image = inline
    ? { b64_json: pngOf(asked.name).toString('base64') }
    : { url: `${asked.origin}/generated-images/${asked.name}.png` };
  const count = Number(asked.fields.n ?? 1);
  return jsonAnswer({
    id: `img-${asked.name}`,
    created: 1_760_000_000,
    data: Array.from({ length: count }, () => image),
    usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0 },
  });
};

const rerank = (asked: Asked): Answer => {
  const documents = (asked.fields.documents as unknown[] | undefined) ?? [];
  const results = documents.map((document, index) => ({
    index,
    document: typeof document === 'string' ? { text: document } : document,
    relevance_score: 1 / (index + 1),
  }));
  return jsonAnswer({
    id: `rerank-${asked.name}`,
    model: asked.fields.model,
    usage: { total_tokens: 7, prompt_tokens: 7 },
    results: results.slice(0, Number(asked.fields.top_n ?? results.length)),
  });
};

const vad = (asked: Asked): Answer =>
  jsonAnswer({ segments: [{ start: 0.1, end: (asked.fields.audio as number[]).length / 16_000 }], by: asked.name });

const posts: Readonly<Record<string, (asked: Asked) => Answer>> = {
  '/v1/audio/transcriptions': transcription,
  '/v1/audio/translations': transcription,
  '/v1/audio/diarization': diarization,
  '/v1/audio/speech': speech,
  '/tts': speech,
  '/v1/sound-generation': speech,
  '/v1/images/generations': images,
  '/v1/images/inpainting': images,
  '/v1/images/edits': images,
  '/v1/images/variations': images,
  '/v1/images/upscale': images,
  '/video': (asked) => jsonAnswer({ data: [{ b64_json: 'AAAA' }], by: asked.name }),
  '/v1/detection': (asked) => jsonAnswer({ detections: [{ x: 1, y: 2, class_name: 'llama' }], by: asked.name }),
  '/v1/audio/classification': (asked) => jsonAnswer({ classes: [{ label: 'speech', score: 1 }], by: asked.name }),
  '/audio/transformations': speech,
  '/v1/rerank': rerank,
  '/v1/vad': vad,
  '/vad': vad,
};

/** Answers for audio, images, rerank and VAD; undefined for other paths. */
export const mediaAnswer = (asked: Asked): Answer | undefined => {
  if (asked.method === 'POST') {
    return asked.path.startsWith('/v1/text-to-speech/') ? speech(asked) : posts[asked.path]?.(asked);
  }
  if (asked.path === `/generated-images/${asked.name}.png`) return binaryAnswer('image/png', [pngOf(asked.name)]);
  return undefined;
};
