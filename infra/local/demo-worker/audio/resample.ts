import type { Sound } from './wav.ts';

/** Zero crossings of the sinc on each side: more is steeper and slower. */
const CROSSINGS = 12;

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/**
 * Brings sound to another sample rate by band-limited interpolation (windowed sinc, Hann), so that what the new rate
 * cannot hold does not fold back.
 */
export const resample = ({ sampleRate, samples }: Sound, to: number): Sound => {
  if (sampleRate === to) return { sampleRate, samples };
  const ratio = to / sampleRate;
  const cutoff = Math.min(1, ratio);
  const reach = CROSSINGS / cutoff;
  const output = new Float32Array(Math.round(samples.length * ratio));
  for (let i = 0; i < output.length; i++) {
    const center = i / ratio;
    let sum = 0;
    for (let j = Math.max(0, Math.ceil(center - reach)); j <= Math.min(samples.length - 1, center + reach); j++) {
      const x = center - j;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / reach);
      sum += (samples[j] as number) * sinc(x * cutoff) * window;
    }
    output[i] = sum * cutoff;
  }
  return { sampleRate: to, samples: output };
};
