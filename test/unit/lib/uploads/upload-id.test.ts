import { expect, test } from '@jest/globals';
import { expiryOf, newUploadId, UPLOAD_LIFE_MS, uploadKey } from '../../../../lib/uploads/upload-id.ts';

const now = 1_764_000_000_500;
const digest = 'ab'.repeat(32);

test('an id tells when it expires, to the second', () => {
  expect(expiryOf(newUploadId(now))).toBe(1_764_000_000_000 + UPLOAD_LIFE_MS);
});

test('ids are never the same', () => {
  expect(new Set(Array.from({ length: 1000 }, () => newUploadId(now))).size).toBe(1000);
});

test.each([
  '',
  'file-',
  `file-${'0'.repeat(39)}`,
  `file-${'0'.repeat(41)}`,
  `file-${'G'.repeat(40)}`,
  `file-${'0'.repeat(40)}\n`,
  `../file-${'0'.repeat(40)}`,
  `upload-${'0'.repeat(40)}`,
])('%j is no id', (id) => {
  expect(expiryOf(id)).toBeUndefined();
});

test('an object belongs to its caller, and its place tells nothing of the key', () => {
  const id = newUploadId(now);
  const mine = uploadKey(id, digest);
  expect(mine).toMatch(new RegExp(`^uploads/[0-9a-f]{32}/${id}$`));
  expect(mine).toBe(uploadKey(id, digest));
  expect(mine).not.toBe(uploadKey(id, 'cd'.repeat(32)));
  expect(mine).not.toContain(digest.slice(0, 8));
  expect(uploadKey(id, undefined)).toBe(`uploads/anonymous/${id}`);
});
