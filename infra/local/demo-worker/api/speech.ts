import * as v from 'valibot';
import { findVoice } from '../audio/voices.ts';
import { wavHeader } from '../audio/wav.ts';
import type { Engines } from '../engines/index.ts';
import { ApiError } from '../http/api-error.ts';
import { readJson } from '../http/body.ts';
import { type Exchange, sendBytes, writeChunk } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { splitSentences } from '../text/sentences.ts';
import { flag, model, text } from './text-fields.ts';

/** Flite's own rate, Hertz. */
const WAV_RATE = 16000;
/** What OpenAI's `pcm` is, Hertz. */
const PCM_RATE = 24000;

const input = v.pipe(
  v.string('expected a string'),
  v.nonEmpty('expected a text, got an empty string'),
  v.maxLength(4096, 'expected 4096 characters at most'),
);
const rate = v.pipe(
  v.number('expected a number'),
  v.integer('expected a whole number'),
  v.minValue(8000, 'expected 8000 or more'),
  v.maxValue(48000, 'expected 48000 at most'),
);

const OpenAiBody = v.object({
  model,
  input,
  voice: v.nullish(text, ''),
  response_format: v.nullish(text, 'wav'),
  speed: v.nullish(
    v.pipe(
      v.number('expected a number'),
      v.minValue(0.25, 'expected 0.25 or more'),
      v.maxValue(4, 'expected 4 at most'),
    ),
    1,
  ),
  sample_rate: v.nullish(rate),
  stream: v.nullish(flag),
  stream_format: v.nullish(v.literal('audio', "only 'audio' is possible here"), 'audio'),
});

const ElevenLabsBody = v.object({ model_id: model, text: input });

interface Wish {
  readonly model?: string;
  readonly input: string;
  readonly voice: string;
  readonly format: 'wav' | 'pcm';
  readonly sampleRate: number;
  readonly speed: number;
  /** False: a WAV whose header knows its length, however long the text. */
  readonly stream: boolean;
}

const speak = async (exchange: Exchange, engines: Engines, wish: Wish): Promise<void> => {
  const { engine } = engines.select('speech', wish.model);
  const sentences = splitSentences(wish.input);
  const { format, sampleRate, speed } = wish;
  const pieces = engine.run({ sentences, voice: findVoice(wish.voice), speed, sampleRate }, exchange.signal);
  const contentType = format === 'wav' ? 'audio/wav' : 'audio/pcm';
  if (!wish.stream || sentences.length < 2) {
    const pcm = Buffer.concat(await Array.fromAsync(pieces));
    const head = format === 'wav' ? wavHeader(sampleRate, pcm.length) : Buffer.alloc(0);
    return sendBytes(exchange, contentType, Buffer.concat([head, pcm]));
  }
  for await (const piece of pieces) {
    if (!exchange.response.headersSent) {
      exchange.response.writeHead(200, { 'content-type': contentType });
      if (format === 'wav') await writeChunk(exchange, wavHeader(sampleRate));
    }
    await writeChunk(exchange, piece);
  }
  exchange.response.end();
};

const toFormat = (format: string): 'wav' | 'pcm' => {
  if (format === 'wav' || format === 'pcm') return format;
  throw new ApiError(400, `'response_format': '${format}' cannot be made here; use 'wav' or 'pcm'.`, {
    param: 'response_format',
  });
};

/** `pcm_16000`, ElevenLabs' way to say format and sample rate. */
const parseOutputFormat = (value: string | null) => {
  if (!value) return { format: 'wav' as const, sampleRate: WAV_RATE };
  const [, format, hertz] = /^(wav|pcm)_(8000|16000|22050|24000|44100|48000)$/.exec(value) ?? [];
  if (format && hertz) return { format: toFormat(format), sampleRate: Number(hertz) };
  throw new ApiError(400, `'output_format': '${value}' cannot be made here; use wav_16000 or pcm_16000.`, {
    param: 'output_format',
  });
};

/**
 * Speech, in OpenAI's way (`/v1/audio/speech`) and in ElevenLabs' (`/v1/text-to-speech/{voice}`). A text of several
 * sentences is sent as it is made, so its WAV header leaves the length open, unless `stream` is false.
 */
export const createSpeechRoutes = (engines: Engines): Route[] => [
  {
    method: 'POST',
    paths: ['/v1/audio/speech', '/audio/speech', '/tts', '/v1/tts'],
    dialect: 'openai',
    async handle(exchange) {
      const body = await readJson(exchange.request, OpenAiBody);
      const format = toFormat(body.response_format);
      await speak(exchange, engines, {
        model: body.model ?? undefined,
        input: body.input,
        voice: body.voice,
        format,
        sampleRate: body.sample_rate ?? (format === 'pcm' ? PCM_RATE : WAV_RATE),
        speed: body.speed,
        stream: body.stream ?? true,
      });
    },
  },
  {
    method: 'POST',
    paths: ['/v1/text-to-speech/{voice}'],
    dialect: 'openai',
    async handle(exchange) {
      const body = await readJson(exchange.request, ElevenLabsBody);
      await speak(exchange, engines, {
        model: body.model_id ?? undefined,
        input: body.text,
        voice: exchange.params.voice ?? '',
        ...parseOutputFormat(exchange.url.searchParams.get('output_format')),
        speed: 1,
        stream: true,
      });
    },
  },
];
