import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type ChunkReader, createChunkReader, nothingMore, takeAll } from '../../../../lib/upstream/chunk-reader.ts';

const reading = (stream: Readable) => {
  let discarded = 0;
  const reader = createChunkReader(stream, () => {
    discarded += 1;
    stream.destroy();
  });
  return { reader, discarded: () => discarded };
};

const all = async (reader: ChunkReader): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for (let chunk = await reader.read(); chunk; chunk = await reader.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
};

describe('a chunk reader', () => {
  test('reads every byte, in order, however it comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.uint8Array({ minLength: 1 }), fc.boolean())), async (pieces) => {
        const stream = new PassThrough();
        const { reader } = reading(stream);
        const read = all(reader);
        for (const [bytes, waits] of pieces) {
          stream.write(bytes);
          if (waits) await new Promise(setImmediate);
        }
        stream.end();
        expect((await read).equals(Buffer.concat(pieces.map(([bytes]) => bytes)))).toBe(true);
        expect(await reader.read()).toBeUndefined();
      }),
    );
  });

  test('reads what was there before it', async () => {
    const stream = new PassThrough();
    stream.end('early');
    await new Promise(setImmediate);
    expect((await all(reading(stream).reader)).toString()).toBe('early');
  });

  test('fails where the stream fails, and every time after', async () => {
    const stream = new PassThrough();
    const { reader } = reading(stream);
    stream.write('a');
    expect(Buffer.from((await reader.read()) ?? '').toString()).toBe('a');
    const next = reader.read();
    stream.destroy(new Error('reset'));
    await expect(next).rejects.toThrow('reset');
    await expect(reader.read()).rejects.toThrow('reset');
  });

  test('a stream that is closed before its end has failed', async () => {
    const stream = new PassThrough();
    const { reader } = reading(stream);
    const next = reader.read();
    stream.destroy();
    await expect(next).rejects.toThrow('before its end');
  });

  test('a stream that was destroyed before anybody read it has failed, with its reason', async () => {
    const stream = new PassThrough();
    stream.on('error', () => {});
    stream.write('a');
    stream.destroy(new Error('malformed'));
    await new Promise(setImmediate);
    await expect(reading(stream).reader.read()).rejects.toThrow('malformed');
  });

  test('stopped, a read that waits fails at once with the reason, and the source is let go', async () => {
    const { reader, discarded } = reading(new Readable({ read() {} }));
    const next = reader.read();
    reader.stop(new Error('too slow'));
    await expect(next).rejects.toThrow('too slow');
    expect(discarded()).toBe(1);
  });

  test('stopped behind its end, it lets the source go all the same: below a decoder that may go on', async () => {
    const { reader, discarded } = reading(Readable.from([Buffer.from('a')]));
    await all(reader);
    reader.stop();
    expect([discarded(), await reader.read()]).toEqual([1, undefined]);
  });

  test('leaves what is not read where it is: the source is slowed down', async () => {
    let made = 0;
    const stream = new Readable({
      highWaterMark: 4096,
      read() {
        made += 1;
        this.push(Buffer.alloc(1024));
      },
    });
    const { reader } = reading(stream);
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made).toBeLessThan(20);
  });
});

describe('a reader that hands chunks over', () => {
  test('hands over every byte, in order, and waits where it is told to', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.uint8Array({ minLength: 1 }), fc.boolean(), fc.boolean())),
        async (pieces) => {
          const stream = new PassThrough();
          const taken: Uint8Array[] = [];
          let isPaused = false;
          const waits = pieces.map(([, , isSlow]) => isSlow);
          const read = takeAll(reading(stream).reader, (chunk) => {
            expect(isPaused).toBe(false);
            taken.push(chunk);
            if (!waits.shift()) return undefined;
            isPaused = true;
            return new Promise<void>(setImmediate).then(() => {
              isPaused = false;
            });
          });
          for (const [bytes, isApart] of pieces) {
            stream.write(bytes);
            if (isApart) await new Promise(setImmediate);
          }
          stream.end();
          await read;
          expect(Buffer.concat(taken).equals(Buffer.concat(pieces.map(([bytes]) => bytes)))).toBe(true);
        },
      ),
    );
  });

  test('fails where the stream fails', async () => {
    const stream = new PassThrough();
    const read = takeAll(reading(stream).reader, () => undefined);
    stream.write('a');
    await new Promise(setImmediate);
    stream.destroy(new Error('reset'));
    await expect(read).rejects.toThrow('reset');
  });

  test('stopped while a chunk is taken it fails with the reason, even where the source says no more', async () => {
    const stream = new Readable({ read() {} });
    const reader = createChunkReader(stream, () => {});
    const read = takeAll(reader, () => void reader.stop(new Error('refused')));
    stream.push('a');
    await expect(read).rejects.toThrow('refused');
  });

  test('one that makes its chunks is read chunk by chunk', async () => {
    const made = [Buffer.from('a'), Buffer.from('b')];
    const taken: string[] = [];
    await takeAll({ read: async () => made.shift(), stop: () => {} }, (chunk) => {
      taken.push(String(chunk));
      return undefined;
    });
    expect(taken).toEqual(['a', 'b']);
  });
});

test('of a body that is over there is nothing more', async () => {
  expect(await nothingMore.read()).toBeUndefined();
  nothingMore.stop();
});
