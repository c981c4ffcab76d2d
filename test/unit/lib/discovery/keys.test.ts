import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { digestKey, parseKeys } from '../../../../lib/discovery/keys.ts';

const digest = createHash('sha256').update('sk-one').digest('hex');

describe('parseKeys', () => {
  it('digests a key', () => expect(digestKey('sk-one')).toBe(digest));

  it.each([
    ['sk-one', [digest]],
    [` sk-one \r\n\n sk-two,sk-three,`, [digest, digestKey('sk-two'), digestKey('sk-three')]],
    [`sha256:${digest.toUpperCase()}`, [digest]],
    [`sha256:${digest},sk-two`, [digest, digestKey('sk-two')]],
    [`SHA256:${digest}`, [digest]],
  ])('reads %j', (text, digests) => expect(parseKeys(text)).toEqual(digests));

  it.each([
    '',
    ' , \n',
    'two words',
    'sha256:abc',
    'SHA256:abc',
    `Sha-256:${digest}`,
    `sk-one,sha256:${digest}0`,
    'sk-\u00fc',
    '{"keys": ["a"]}',
  ])('refuses %j as a whole', (text) => expect(parseKeys(text)).toBeUndefined());
});
