import { loadTENVAD } from '@gooney-001/ten-vad-lib';
import { createSegmenter, type Segment } from '../audio/segments.ts';
import type { LoadEngine } from './engine.ts';

/** 16 kHz mono, numbers in [-1, 1]. */
export type VadInput = Float32Array;
export type VadOutput = Segment[];

const SAMPLE_RATE = 16000;
const HOP = 256;
const THRESHOLD = 0.5;

/** TEN-VAD, a small neural voice activity detector in WebAssembly: a probability of speech every 16 ms. */
const load: LoadEngine<VadInput, VadOutput> = async () => {
  const wasm = await loadTENVAD();

  return async function* (samples) {
    const handlePointer = wasm._malloc(4);
    const audio = wasm._malloc(HOP * 2);
    const probability = wasm._malloc(4);
    const flag = wasm._malloc(4);
    if (wasm._ten_vad_create(handlePointer, HOP, THRESHOLD) !== 0) throw new Error('TEN-VAD did not start.');
    try {
      const handle = wasm.HEAP32[handlePointer >> 2] as number;
      const segmenter = createSegmenter({ frameSeconds: HOP / SAMPLE_RATE });
      for (let from = 0; from < samples.length; from += HOP) {
        for (let i = 0; i < HOP; i++) {
          const sample = Math.max(-1, Math.min(1, samples[from + i] ?? 0));
          wasm.HEAP16[(audio >> 1) + i] = Math.round(sample * 0x7fff);
        }
        wasm._ten_vad_process(handle, audio, HOP, probability, flag);
        segmenter.push((wasm.HEAPF32[probability >> 2] as number) >= THRESHOLD);
      }
      const end = samples.length / SAMPLE_RATE;
      yield segmenter.finish().map((segment) => ({ start: segment.start, end: Math.min(segment.end, end) }));
    } finally {
      wasm._ten_vad_destroy(handlePointer);
      for (const pointer of [handlePointer, audio, probability, flag]) wasm._free(pointer);
    }
  };
};

export default load;
