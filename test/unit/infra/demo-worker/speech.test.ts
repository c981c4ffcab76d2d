import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeWav, toPcm16, wavHeader } from '../../../../infra/local/demo-worker/audio/wav.ts';
import { has, needs } from '../../../support/needs.ts';
import { type Demo, startDemo } from './demo.ts';

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo();
});
afterAll(() => demo.close());

const sentence = 'Hello world, this is a test of offline speech synthesis.';
const say = async (body: object) => {
  const response = await demo.post('/v1/audio/speech', { model: 'flite', input: sentence, ...body });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
};
const upload = (wav: Buffer, fields: Record<string, string> = {}) => {
  const form = new FormData();
  form.append('file', new Blob([new Uint8Array(wav)], { type: 'audio/wav' }), 'speech.wav');
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return demo.post('/v1/audio/transcriptions', form);
};

describe('speech', () => {
  test('is a WAV whose header knows its length', async () => {
    const wav = await say({ voice: 'alloy' });
    expect(wav.readUInt32LE(4)).toBe(wav.length - 8);
    const { sampleRate, samples } = decodeWav(wav);
    expect(sampleRate).toBe(16000);
    expect(samples.length / sampleRate).toBeGreaterThan(2);
    expect(Math.max(...samples)).toBeGreaterThan(0.1);
  });

  test('OpenAI voice names are different voices; speed is honoured', async () => {
    const [alloy, onyx, fast] = await Promise.all([say({ voice: 'alloy' }), say({ voice: 'onyx' }), say({ speed: 2 })]);
    expect(alloy.equals(onyx)).toBe(false);
    expect(fast.length).toBeLessThan(alloy.length * 0.65);
  });

  test('of several sentences is sent as it is made, or whole with stream false', async () => {
    const input = `${sentence} ${sentence} ${sentence}`;
    const streamed = await say({ input });
    const whole = await say({ input, stream: false });
    expect(streamed.readUInt32LE(40)).toBe(0xffffffff);
    expect(whole.readUInt32LE(40)).toBe(whole.length - 44);
    expect(streamed.subarray(44).equals(whole.subarray(44))).toBe(true);
  });

  test('pcm is the samples alone, at 24 kHz', async () => {
    const wav = decodeWav(await say({}));
    const pcm = await say({ response_format: 'pcm' });
    expect(pcm.length / 2 / 24000).toBeCloseTo(wav.samples.length / wav.sampleRate, 2);
  });

  test.each([
    [{ response_format: 'mp3' }, /'wav' or 'pcm'/],
    [{ voice: 'nobody' }, /alloy/],
    [{ input: '' }, /'input'/],
    [{ input: '你好' }, /English/],
  ])('%j is a 400 that helps', async (body, message) => {
    const response = await demo.post('/v1/audio/speech', { input: sentence, ...body });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { message: string } }).error.message).toMatch(message);
  });
});

describe('speech, then voice activity', () => {
  test('one sentence is one segment, in the right place', async () => {
    const { sampleRate, samples } = decodeWav(await say({}));
    const silence = new Float32Array(sampleRate);
    const audio = [...silence, ...samples, ...silence];
    const { segments } = await demo.json('/v1/vad', { model: 'ten-vad', audio });
    expect(segments).toHaveLength(1);
    const end = 1 + samples.length / sampleRate;
    expect(segments[0].start).toBeGreaterThan(0.9);
    expect(segments[0].start).toBeLessThan(1.4);
    expect(segments[0].end).toBeGreaterThan(end - 0.6);
    expect(segments[0].end).toBeLessThan(end + 0.3);
  });

  test('silence has no segment; what is no sound is refused', async () => {
    expect(await demo.json('/v1/vad', { audio: Array(16000).fill(0) })).toEqual({ segments: [] });
    expect((await demo.post('/v1/vad', { audio: ['loud'] })).status).toBe(400);
  });
});

needs('pocketsphinx')('speech, then transcription', () => {
  const wordsOf = (text: string) => new Set(text.toLowerCase().match(/[a-z']+/g));
  const shareHeard = (heard: string) => {
    const spoken = [...wordsOf(sentence)];
    return spoken.filter((word) => wordsOf(heard).has(word)).length / spoken.length;
  };

  test('gives most of the words back, with times', async () => {
    const wav = await say({ voice: 'slt' });
    const answer = (await (await upload(wav, { model: 'pocketsphinx' })).json()) as {
      text: string;
      duration: number;
      segments: { start: number; end: number }[];
    };
    expect(shareHeard(answer.text)).toBeGreaterThanOrEqual(0.7);
    expect(answer.duration).toBeCloseTo((wav.length - 44) / 32000, 2);
    expect(answer.segments[0]?.end).toBeLessThanOrEqual(answer.duration);
  });

  test('resamples what is not 16 kHz', async () => {
    const pcm = await say({ response_format: 'pcm' });
    const wav = Buffer.concat([wavHeader(24000, pcm.length), pcm]);
    const heard = await (await upload(wav, { response_format: 'text' })).text();
    expect(shareHeard(heard)).toBeGreaterThanOrEqual(0.6);
  });

  test('answers in every format', async () => {
    const wav = await say({});
    const ask = async (format: string) => (await upload(wav, { response_format: format })).text();
    expect(Object.keys(JSON.parse(await ask('json')))).toEqual(['text']);
    expect(await ask('srt')).toMatch(/^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n\w+/);
    expect(await ask('vtt')).toMatch(/^WEBVTT\n\n00:00:0\d\.\d{3} --> /);
    expect((await upload(wav, { response_format: 'lrc' })).status).toBe(400);
  });

  test('streams deltas that join to the text, then done', async () => {
    const body = await (await upload(await say({}), { stream: 'true' })).text();
    const events = body
      .split('\n\n')
      .flatMap((block) => (block.startsWith('data: {') ? [JSON.parse(block.slice(6))] : []));
    const deltas = events.filter(({ type }) => type === 'transcript.text.delta').map(({ delta }) => delta);
    expect(events.at(-1)).toMatchObject({ type: 'transcript.text.done', text: deltas.join('') });
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('a file that is no WAV is a 400', async () => {
    expect((await upload(Buffer.from('not sound'))).status).toBe(400);
  });
});

if (!has('pocketsphinx')) {
  test('without PocketSphinx transcription is a 501 that says what to install', async () => {
    const response = await upload(Buffer.concat([wavHeader(16000, 0)]), { model: 'pocketsphinx' });
    expect(response.status).toBe(501);
    expect(await response.text()).toContain('pocketsphinx-en-us');
  });
}

describe('WAV files', () => {
  test.each([8, 16, 24, 32])('PCM of %d bits in two channels is read as one', (bits) => {
    const frames = [0.5, -0.5, 0.25, 0];
    const width = bits / 8;
    const data = Buffer.alloc(frames.length * 2 * width);
    for (const [i, value] of frames.entries()) {
      for (const channel of [0, 1]) {
        const at = (i * 2 + channel) * width;
        if (bits === 8) data.writeUInt8(Math.round((value + 1) * 0x80), at);
        else data.writeIntLE(Math.round(value * 2 ** (bits - 1)), at, width);
      }
    }
    const header = wavHeader(8000, data.length);
    header.writeUInt16LE(2, 22);
    header.writeUInt16LE(bits, 34);
    expect([...decodeWav(Buffer.concat([header, data])).samples]).toEqual(frames);
  });

  test('samples survive writing and reading', () => {
    const samples = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i / 5));
    const pcm = toPcm16(samples);
    const read = decodeWav(Buffer.concat([wavHeader(16000), pcm])).samples;
    expect(read).toHaveLength(100);
    for (const [i, sample] of samples.entries()) expect(read[i]).toBeCloseTo(sample, 3);
  });
});
