import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readTargets } from '../../../../infra/aws/targets.js';

test('groups, addresses and ranges, each with its port and once', () => {
  expect(readTargets(['sg-0123456789abcdef0:8000', '10.0.7.4:8080', '10.0.8.77/24:443', '10.0.7.4/32:8080'])).toEqual([
    { securityGroupId: 'sg-0123456789abcdef0', port: 8000 },
    { cidr: '10.0.7.4/32', port: 8080 },
    { cidr: '10.0.8.0/24', port: 443 },
  ]);
});

test('a range is written without bits of the host, as EC2 wants it', () => {
  const octet = fc.nat(255);
  fc.assert(
    fc.property(fc.tuple(octet, octet, octet, octet), fc.integer({ min: 0, max: 32 }), (octets, bits) => {
      const [target] = readTargets([`${octets.join('.')}/${bits}:1`]);
      const text = (parts: number[]) => parts.map((part) => part.toString(2).padStart(8, '0')).join('');
      const [network = '', size] = target?.cidr?.split('/') ?? [];
      expect(size).toBe(String(bits));
      expect(text(network.split('.').map(Number))).toBe(text(octets).slice(0, bits).padEnd(32, '0'));
    }),
  );
});

test.each([
  'sg-0123456789abcdef0',
  'sg-...:8080',
  'sg-0123456789abcdef0:0',
  'sg-0123456789abcdef0:65536',
  '10.0.7.4',
  '10.0.7.256:80',
  '10.0.7.0/33:80',
  '10.0.7.0/24/8:80',
  'fd00::1:80',
  'worker.internal:80',
])('%s is quoted and refused', (text) => {
  expect(() => readTargets([text])).toThrow(`workerTargets: "${text}"`);
});
