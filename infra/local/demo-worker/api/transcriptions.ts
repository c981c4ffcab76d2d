import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import type { TranscriptOutput, Word } from '../engines/pocketsphinx.ts';
import { ApiError } from '../http/api-error.ts';
import { parseFields } from '../http/body.ts';
import { createEventStream, type Exchange, sendBytes, sendJson } from '../http/exchange.ts';
import { readForm } from '../http/multipart.ts';
import type { Route } from '../http/route.ts';
import { toSrt, toVtt } from '../text/subtitles.ts';
import { model } from './text-fields.ts';

const formats = ['json', 'verbose_json', 'text', 'srt', 'vtt'] as const;

const Fields = v.object({
  model,
  response_format: v.optional(v.picklist(formats, `expected one of ${formats.join(', ')}`), 'verbose_json'),
  language: v.optional(
    v.pipe(v.string(), v.regex(/^(en\b.*|english|)$/i, 'PocketSphinx has only English models here')),
  ),
  stream: v.optional(v.string(), 'false'),
});

interface TranscriptSegment {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly words: readonly Word[];
}

const toSegment = (id: number, { text, words }: { text: string; words: readonly Word[] }): TranscriptSegment => ({
  id,
  start: words.at(0)?.start ?? 0,
  end: words.at(-1)?.end ?? 0,
  text,
  words,
});

const textOf = (segments: readonly TranscriptSegment[]) => segments.map(({ text }) => text).join(' ');

const verbose = (task: string, duration: number, segments: readonly TranscriptSegment[]) => ({
  task,
  language: 'en',
  duration,
  text: textOf(segments),
  segments: segments.map(({ words: _, ...segment }) => segment),
  words: segments.flatMap(({ words }) => words),
});

type Outputs = AsyncGenerator<TranscriptOutput, void, void>;

const readSegments = async function* (outputs: Outputs): AsyncGenerator<TranscriptSegment, void, void> {
  let id = 0;
  for await (const output of outputs) if ('text' in output) yield toSegment(id++, output);
};

const stream = async (exchange: Exchange, task: string, duration: number, outputs: Outputs) => {
  const events = createEventStream(exchange);
  const segments: TranscriptSegment[] = [];
  for await (const segment of readSegments(outputs)) {
    const delta = segments.length > 0 ? ` ${segment.text}` : segment.text;
    segments.push(segment);
    await events.data({ type: 'transcript.text.delta', delta });
  }
  await events.data({ type: 'transcript.text.done', ...verbose(task, duration, segments) });
  await events.done();
};

const createRoute = (engines: Engines, task: string, paths: readonly string[]): Route => ({
  method: 'POST',
  paths,
  dialect: 'openai',
  async handle(exchange) {
    const form = await readForm(exchange.request);
    const fields = parseFields(Fields, form.fields);
    const { engine } = engines.select('transcription', fields.model ?? undefined);
    const file = form.files.file;
    if (!file) throw new ApiError(400, "'file': expected a WAV file.", { param: 'file' });
    const outputs = engine.run(file, exchange.signal);
    const first = await outputs.next();
    const duration = !first.done && 'seconds' in first.value ? first.value.seconds : 0;
    if (/^(true|1)$/i.test(fields.stream)) return stream(exchange, task, duration, outputs);
    const segments = await Array.fromAsync(readSegments(outputs));
    switch (fields.response_format) {
      case 'json':
        return sendJson(exchange, { text: textOf(segments) });
      case 'verbose_json':
        return sendJson(exchange, verbose(task, duration, segments));
      case 'text':
        return sendBytes(exchange, 'text/plain; charset=utf-8', `${textOf(segments)}\n`);
      case 'srt':
        return sendBytes(exchange, 'text/plain; charset=utf-8', toSrt(segments));
      case 'vtt':
        return sendBytes(exchange, 'text/vtt; charset=utf-8', toVtt(segments));
    }
  },
});

/** Speech to text of WAV files. Only English is understood, so a translation into English is the same. */
export const createTranscriptionRoutes = (engines: Engines): Route[] => [
  createRoute(engines, 'transcribe', ['/v1/audio/transcriptions', '/audio/transcriptions']),
  createRoute(engines, 'translate', ['/v1/audio/translations', '/audio/translations']),
];
