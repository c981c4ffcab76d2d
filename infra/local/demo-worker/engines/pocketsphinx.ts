import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { resample } from '../audio/resample.ts';
import { decodeWav, toPcm16, WavError, wavHeader } from '../audio/wav.ts';
import { EngineInputError, type LoadEngine } from './engine.ts';

const COMMAND = 'pocketsphinx_continuous';
const SAMPLE_RATE = 16000;

export interface Word {
  readonly word: string;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
}

/** First the sound's length, then each utterance as it is recognised. */
export type TranscriptOutput =
  | { readonly seconds: number }
  | { readonly text: string; readonly words: readonly Word[] };

/** A WAV file. */
export type TranscriptInput = Uint8Array;

/** @returns whether Debian's `pocketsphinx` is on this machine. */
export const isPocketsphinxInstalled = (path = process.env.PATH ?? ''): boolean =>
  path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, COMMAND), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

const decode = (file: TranscriptInput) => {
  try {
    return decodeWav(Buffer.from(file.buffer, file.byteOffset, file.byteLength));
  } catch (error) {
    throw error instanceof WavError ? new EngineInputError(error.message) : error;
  }
};

/** `hello(2) 0.140 0.580 1.0`: a word with its pronunciation's number, start, end and confidence. */
const parseWord = (line: string): Word | undefined => {
  const [, word = '', start, end] = /^(\S+?)(?:\(\d+\))? (\d+\.\d+) (\d+\.\d+) \d+\.\d+$/.exec(line) ?? [];
  return word ? { word, start: Number(start), end: Number(end) } : undefined;
};

/** CMU PocketSphinx with its US English models, as Debian ships it; one process a file, ended with the request. */
const load: LoadEngine<TranscriptInput, TranscriptOutput> = async () =>
  async function* (file, signal) {
    const sound = decode(file);
    yield { seconds: sound.samples.length / sound.sampleRate };
    const pcm = toPcm16(resample(sound, SAMPLE_RATE).samples);
    const folder = await mkdtemp(join(tmpdir(), 'pocketsphinx-'));
    try {
      const wav = join(folder, 'speech.wav');
      await writeFile(wav, [wavHeader(SAMPLE_RATE, pcm.length), pcm]);
      const options = ['-infile', wav, '-time', 'yes', '-logfn', '/dev/null'];
      const child = spawn(COMMAND, options, { stdio: ['ignore', 'pipe', 'ignore'], signal });
      const ended = once(child, 'close');
      ended.catch(() => {});
      let words: Word[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        const word = parseWord(line);
        if (word && !/^[<[]/.test(word.word)) words.push(word);
        if (word?.word !== '</s>' || words.length === 0) continue;
        yield { text: words.map(({ word }) => word).join(' '), words };
        words = [];
      }
      const [code] = await ended;
      if (code !== 0)
        throw new Error(`PocketSphinx ended with code ${code}; is Debian's pocketsphinx-en-us installed?`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

export default load;
