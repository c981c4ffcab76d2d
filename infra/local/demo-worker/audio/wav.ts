/** Sound as numbers in [-1, 1], one channel. */
export interface Sound {
  /** Hertz. */
  readonly sampleRate: number;
  readonly samples: Float32Array;
}

/** The bytes are no WAV this code can read. */
export class WavError extends Error {
  override readonly name = 'WavError';
}

const HEADER_BYTES = 44;
/** What a stream of unknown length says in its header; players then read to the end. */
const UNKNOWN_SIZE = 0xffffffff;
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/**
 * The RIFF/WAVE head of 16-bit mono PCM (Microsoft Multimedia Programming Interface 1.0, 1991).
 * @param dataBytes of the samples that follow; left out: not known yet
 */
export const wavHeader = (sampleRate: number, dataBytes?: number): Buffer => {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(dataBytes === undefined ? UNKNOWN_SIZE : HEADER_BYTES - 8 + dataBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(PCM, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(dataBytes ?? UNKNOWN_SIZE, 40);
  return header;
};

/** Numbers in [-1, 1] as little-endian 16-bit samples. */
export const toPcm16 = (samples: Float32Array): Buffer => {
  const bytes = Buffer.alloc(samples.length * 2);
  for (const [i, sample] of samples.entries()) {
    bytes.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 0x7fff), i * 2);
  }
  return bytes;
};

interface Format {
  readonly code: number;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

const readFormat = (chunk: Buffer): Format => {
  if (chunk.length < 16) throw new WavError('The WAV file has a broken format chunk.');
  const tag = chunk.readUInt16LE(0);
  return {
    code: tag === EXTENSIBLE && chunk.length >= 26 ? chunk.readUInt16LE(24) : tag,
    channels: chunk.readUInt16LE(2),
    sampleRate: chunk.readUInt32LE(4),
    bits: chunk.readUInt16LE(14),
  };
};

const sampleReader = ({ code, bits }: Format): ((data: Buffer, at: number) => number) => {
  if (code === FLOAT && bits === 32) return (data, at) => data.readFloatLE(at);
  if (code === FLOAT && bits === 64) return (data, at) => data.readDoubleLE(at);
  if (code === PCM && bits === 8) return (data, at) => data.readUInt8(at) / 0x80 - 1;
  if (code === PCM && (bits === 16 || bits === 24 || bits === 32)) {
    return (data, at) => data.readIntLE(at, bits / 8) / 2 ** (bits - 1);
  }
  throw new WavError(`WAV format ${code} with ${bits} bits is not supported; use PCM (8, 16, 24, 32 bit) or float.`);
};

/**
 * Reads a WAV file and mixes its channels into one. A length that is unknown or beyond the end means "to the end".
 * @throws {WavError} for anything else than PCM or float WAV
 */
export const decodeWav = (file: Buffer): Sound => {
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    throw new WavError('Only WAV files can be read here.');
  }
  let format: Format | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString('latin1', at, at + 4);
    const size = file.readUInt32LE(at + 4);
    const chunk = file.subarray(at + 8, Math.min(file.length, at + 8 + size));
    if (name === 'fmt ') format = readFormat(chunk);
    if (name === 'data') {
      if (!format || format.channels === 0 || format.sampleRate === 0)
        throw new WavError('The WAV file has no format.');
      const { channels, sampleRate, bits } = format;
      const read = sampleReader(format);
      const width = bits / 8;
      const samples = new Float32Array(Math.floor(chunk.length / (width * channels)));
      for (let i = 0; i < samples.length; i++) {
        let sum = 0;
        for (let channel = 0; channel < channels; channel++) sum += read(chunk, (i * channels + channel) * width);
        samples[i] = sum / channels;
      }
      return { sampleRate, samples };
    }
    at += 8 + size + (size % 2);
  }
  throw new WavError('The WAV file has no sound in it.');
};
