import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Credentials } from '../aws/signature.ts';
import { S3Refusal } from './refusal.ts';

export interface SignedRequest {
  readonly method: string;
  /** Request target as sent. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

interface Scope {
  readonly region: string;
  readonly credentials: Credentials;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The largest difference between a request's time and the server's that AWS allows. */
const SKEW_MS = 15 * 60 * 1000;
const LONGEST_SECONDS = 7 * 24 * 3600;

const sha256 = (data: string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
const mismatch = () =>
  new S3Refusal(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match.');

/** S3 encodes once and does not normalise; slashes stay. */
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
const canonicalPath = (path: string) =>
  path
    .split('/')
    .map((segment) => encode(decodeURIComponent(segment)))
    .join('/');

const timeOf = (stamp: string): number => {
  const [, year, month, day, hour, minute, second] = (
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) ?? []
  ).map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
};

const signatureOf = (canonical: string, stamp: string, region: string, { secretAccessKey }: Credentials) => {
  const day = stamp.slice(0, 8);
  const toSign = ['AWS4-HMAC-SHA256', stamp, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return hmac(key, toSign);
};

const canonicalQuery = (query: URLSearchParams) =>
  [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&');

const checkScope = (credential: string, stamp: string, { region, credentials }: Scope) => {
  const [key, day, scopeRegion, service, terminator] = credential.split('/');
  if (key !== credentials.accessKeyId) throw new S3Refusal(403, 'InvalidAccessKeyId', 'no such key');
  if (scopeRegion !== region || service !== 's3' || terminator !== 'aws4_request' || stamp.slice(0, 8) !== day) {
    throw new S3Refusal(400, 'AuthorizationHeaderMalformed', `wrong scope: ${credential}`);
  }
};

const compare = (given: string, expected: Buffer) => {
  const signature = Buffer.from(given, 'hex');
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) throw mismatch();
};

const canonicalRequest = (request: SignedRequest, names: string, payload: string) => {
  const [path = '/', query = ''] = request.target.split('?', 2);
  const lines = names.split(';').map((name) => `${name}:${String(request.headers[name]).trim().replace(/ +/g, ' ')}\n`);
  const sorted = canonicalQuery(new URLSearchParams(query.replaceAll('+', '%2B')));
  return [request.method, canonicalPath(path), sorted, lines.join(''), names, payload].join('\n');
};

/** A URL that carries its own signature. @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
const verifyPresigned = (request: SignedRequest, query: URLSearchParams, scope: Scope): string => {
  const stamp = query.get('X-Amz-Date') ?? '';
  const seconds = Number(query.get('X-Amz-Expires'));
  const names = query.get('X-Amz-SignedHeaders') ?? '';
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256' || !(seconds > 0 && seconds <= LONGEST_SECONDS)) {
    throw new S3Refusal(400, 'AuthorizationQueryParametersError', 'algorithm or expiry');
  }
  checkScope(query.get('X-Amz-Credential') ?? '', stamp, scope);
  if ((query.get('X-Amz-Security-Token') ?? undefined) !== scope.credentials.sessionToken) {
    throw new S3Refusal(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  const age = scope.now - timeOf(stamp);
  if (!(age >= -SKEW_MS && age < seconds * 1000)) throw new S3Refusal(403, 'AccessDenied', 'Request has expired');
  if (!names.split(';').includes('host')) throw mismatch();
  const expected = signatureOf(
    canonicalRequest(request, names, 'UNSIGNED-PAYLOAD'),
    stamp,
    scope.region,
    scope.credentials,
  );
  compare(query.get('X-Amz-Signature') ?? '', expected);
  return 'UNSIGNED-PAYLOAD';
};

const AUTHORIZATION = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
const verifyHeader = (request: SignedRequest, scope: Scope): string => {
  const { headers } = request;
  const [, credential = '', names = '', signature = ''] = AUTHORIZATION.exec(headers.authorization ?? '') ?? [];
  if (!credential) throw new S3Refusal(400, 'AuthorizationHeaderMalformed', 'not a SigV4 header');
  const stamp = String(headers['x-amz-date']);
  checkScope(credential, stamp, scope);
  if (headers['x-amz-security-token'] !== scope.credentials.sessionToken) {
    throw new S3Refusal(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  if (!(Math.abs(scope.now - timeOf(stamp)) <= SKEW_MS)) throw new S3Refusal(403, 'RequestTimeTooSkewed', stamp);
  const payload = headers['x-amz-content-sha256'];
  if (typeof payload !== 'string') throw new S3Refusal(400, 'InvalidRequest', 'Missing x-amz-content-sha256');
  const amz = Object.keys(headers).filter((name) => name.startsWith('x-amz-'));
  const signed = names.split(';');
  for (const name of ['host', ...amz])
    if (!signed.includes(name)) throw new S3Refusal(403, 'AccessDenied', `${name} is not signed`);
  compare(signature, signatureOf(canonicalRequest(request, names, payload), stamp, scope.region, scope.credentials));
  return payload;
};

/**
 * Verifies a request's signature, in its headers or in its query.
 * @returns what it says the SHA-256 of its body is, or `UNSIGNED-PAYLOAD`.
 * @throws {S3Refusal} when it is missing, outdated, for another scope, does not cover what it must, or does not match.
 */
export const verifyRequest = (request: SignedRequest, scope: Scope): string => {
  const query = new URLSearchParams((request.target.split('?', 2)[1] ?? '').replaceAll('+', '%2B'));
  if (request.headers.authorization) return verifyHeader(request, scope);
  if (query.has('X-Amz-Signature')) return verifyPresigned(request, query, scope);
  throw new S3Refusal(403, 'AccessDenied', 'Access Denied');
};
