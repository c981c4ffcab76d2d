import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { anyStream } from '../../../../lib/dialects/any-stream.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test.each([
  ['that may still be read is kept', 8, true],
  ['that is too large for that is not', 20, false],
])('an event %s', async (_, megabytes, isKept) => {
  const watch = anyStream.watch({});
  const bytes: WeakRef<ArrayBufferLike>[] = [];
  for (let n = 0; n < megabytes; n += 1) {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    bytes.push(new WeakRef(chunk.buffer));
    expect(watch.push(chunk)?.length).toBe(chunk.length);
  }
  await turn();
  collect();
  const kept = bytes.filter((one) => one.deref()).length;
  // The last one may still lie on the stack.
  if (isKept) expect(kept).toBe(megabytes);
  else expect(kept).toBeLessThanOrEqual(1);
  expect(watch.terminated).toBe(false);
});
