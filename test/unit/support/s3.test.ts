import { describe, expect, test } from '@jest/globals';
import { verifyPost } from '../../support/s3/policy.ts';
import { verifyRequest } from '../../support/s3/signature.ts';

/** The stand-in for S3, held to the examples that AWS publishes with their signatures. */
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('verifyRequest', () => {
  const at = (time: string) => ({ region: 'us-east-1', credentials, now: Date.parse(time) });
  const host = 'examplebucket.s3.amazonaws.com';

  // docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object"
  const signed = {
    method: 'GET',
    target: '/test.txt',
    headers: {
      host,
      range: 'bytes=0-9',
      'x-amz-content-sha256': empty,
      'x-amz-date': '20130524T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    },
  };
  test("AWS's example of a signed GET", () => {
    expect(verifyRequest(signed, at('2013-05-24T00:00:10Z'))).toBe(empty);
  });
  test('not with another path, header or hour', () => {
    const now = at('2013-05-24T00:00:10Z');
    expect(() => verifyRequest({ ...signed, target: '/test.txt?versionId=1' }, now)).toThrow('does not match');
    expect(() => verifyRequest({ ...signed, headers: { ...signed.headers, range: 'bytes=0-8' } }, now)).toThrow();
    const unsigned = { ...signed, headers: { ...signed.headers, 'x-amz-acl': 'public-read' } };
    expect(() => verifyRequest(unsigned, now)).toThrow('not signed');
    expect(() => verifyRequest(signed, at('2013-05-24T01:00:00Z'))).toThrow();
    expect(() => verifyRequest({ ...signed, headers: { host } }, now)).toThrow('Access Denied');
  });

  // docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
  const presigned = {
    method: 'GET',
    target:
      '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    headers: { host },
  };
  test("AWS's example of a presigned URL, for its day", () => {
    expect(verifyRequest(presigned, at('2013-05-24T23:59:59Z'))).toBe('UNSIGNED-PAYLOAD');
    expect(() => verifyRequest(presigned, at('2013-05-25T00:00:00Z'))).toThrow('expired');
    const longer = { ...presigned, target: presigned.target.replace('86400', '86401') };
    expect(() => verifyRequest(longer, at('2013-05-24T23:59:59Z'))).toThrow('does not match');
    expect(() => verifyRequest({ ...presigned, method: 'DELETE' }, at('2013-05-24T01:00:00Z'))).toThrow();
  });
});

describe('verifyPost', () => {
  // docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
  const policy = [
    '{ "expiration": "2015-12-30T12:00:00.000Z",',
    '  "conditions": [',
    '    {"bucket": "sigv4examplebucket"},',
    '    ["starts-with", "$key", "user/user1/"],',
    '    {"acl": "public-read"},',
    '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
    '    ["starts-with", "$Content-Type", "image/"],',
    '    {"x-amz-meta-uuid": "14365123651274"},',
    '    {"x-amz-server-side-encryption": "AES256"},',
    '    ["starts-with", "$x-amz-meta-tag", ""],',
    '',
    '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
    '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
    '    {"x-amz-date": "20151229T000000Z" }',
    '  ]',
    '}',
  ].join('\r\n');
  const fields = {
    bucket: 'sigv4examplebucket',
    key: 'user/user1/photo.png',
    acl: 'public-read',
    success_action_redirect: 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html',
    'content-type': 'image/png',
    'x-amz-meta-uuid': '14365123651274',
    'x-amz-server-side-encryption': 'AES256',
    'x-amz-meta-tag': '',
    'x-amz-credential': 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request',
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-date': '20151229T000000Z',
    policy: Buffer.from(policy).toString('base64'),
    'x-amz-signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
  };
  const verify = (changes: Record<string, string> = {}, time = '2015-12-29T12:00:00Z') =>
    verifyPost(new Map(Object.entries({ ...fields, ...changes })), {
      region: 'us-east-1',
      credentials,
      now: Date.parse(time),
    });

  test("AWS's example of a form", () => {
    expect(verify()).toEqual({ min: 0, max: 5 * 2 ** 30 });
    expect(verify({ key: 'user/user1/other.png', 'x-ignore-me': 'x' })).toBeDefined();
  });
  test.each<[string, Record<string, string>]>([
    ['a key elsewhere', { key: 'user/user2/photo.png' }],
    ['another type', { 'content-type': 'text/html' }],
    ['another value', { 'x-amz-meta-uuid': '1' }],
    ['a field the policy does not name', { 'x-amz-meta-more': '1' }],
    ['another bucket', { bucket: 'mine' }],
    ['another policy', { policy: Buffer.from(`${policy} `).toString('base64') }],
    ['a session token nobody gave', { 'x-amz-security-token': 'x' }],
  ])('not with %s', (_, changes) => {
    expect(() => verify(changes)).toThrow();
  });
  test('not after its time', () => {
    expect(() => verify({}, '2015-12-30T12:00:00Z')).toThrow('Policy expired');
  });
});
