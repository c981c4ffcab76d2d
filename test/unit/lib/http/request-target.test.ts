import { expect, test } from '@jest/globals';
import { readTarget } from '../../../../lib/http/request-target.ts';

test.each([
  ['/v1/models', { path: '/v1/models', query: '', host: undefined }],
  ['/v1/models?a=1?b', { path: '/v1/models', query: 'a=1?b', host: undefined }],
  ['http://gateway.test/v1/models?a=http://x', { path: '/v1/models', query: 'a=http://x', host: 'gateway.test' }],
  ['HTTPS://127.0.0.1:8080', { path: '/', query: '', host: '127.0.0.1:8080' }],
  ['http://gateway.test?a=1', { path: '/', query: 'a=1', host: 'gateway.test' }],
  ['', { path: '/', query: '', host: undefined }],
  ['?a=1', { path: '/', query: 'a=1', host: undefined }],
  ['//evil.test/v1/models', { path: '//evil.test/v1/models', query: '', host: undefined }],
  ['ftp://evil.test/', { path: 'ftp://evil.test/', query: '', host: undefined }],
  ['/http://evil.test/', { path: '/http://evil.test/', query: '', host: undefined }],
])('%s', (target, expected) => expect(readTarget(target)).toEqual(expected));
