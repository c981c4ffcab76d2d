import { describe, expect, test } from '@jest/globals';
import { pictureType } from '../../../../lib/inference/picture-type.ts';

const page = Buffer.from('<!doctype html><h1>LocalAI</h1>');
const png = Buffer.from('89504e470d0a1a0a0000', 'hex');

describe('a picture', () => {
  test.each([
    ['image/png', png, 'image/png'],
    ['image/svg+xml; charset=utf-8', Buffer.from('<svg/>'), 'image/svg+xml; charset=utf-8'],
    ['video/mp4', Buffer.alloc(0), 'video/mp4'],
    ['application/octet-stream', png, 'image/png'],
    [undefined, Buffer.from('ffd8ffe0', 'hex'), 'image/jpeg'],
    ['text/plain', Buffer.from('RIFF....WEBPVP8 '), 'image/webp'],
    [undefined, Buffer.from('GIF89a'), 'image/gif'],
    [undefined, Buffer.from('\0\0\0\x1cftypavif'), 'image/avif'],
    [undefined, Buffer.from('\0\0\0\x1cftypisom'), 'video/mp4'],
  ])('that says %s', (says, bytes, type) => expect(pictureType(bytes, says)).toBe(type));
});

test.each([
  ['text/html', page],
  [undefined, page],
  ['application/json', Buffer.from('{}')],
  ['imagery/png', page],
  ['image/', page],
  [undefined, Buffer.alloc(0)],
  [undefined, Buffer.from('RIFF....WAVEfmt ')],
])('%s is none', (says, bytes) => expect(pictureType(bytes, says)).toBeUndefined());
