import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Credentials } from '../aws/signature.ts';
import { S3Refusal } from './refusal.ts';

/** A policy's conditions on the size of the file, once everything else was found right. */
export interface SizeRange {
  readonly min: number;
  readonly max: number;
}

const denied = (message: string) => new S3Refusal(403, 'AccessDenied', message);
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/** Fields that a policy need not name. */
const EXEMPT = /^(?:policy|file|x-amz-signature|x-ignore-.*)$/;

type Condition = Readonly<Record<string, string>> | readonly [string, string | number, string | number];

const check = (condition: Condition, fields: ReadonlyMap<string, string>, met: Set<string>): SizeRange | undefined => {
  const [kind, left, right] = Array.isArray(condition)
    ? (condition as readonly [string, string | number, string | number])
    : ['eq', ...(Object.entries(condition).map(([name, value]) => [`$${name}`, value])[0] ?? ['', ''])];
  if (kind === 'content-length-range') return { min: Number(left), max: Number(right) };
  const name = String(left).replace(/^\$/, '').toLowerCase();
  const value = fields.get(name);
  const holds =
    value !== undefined &&
    (kind === 'eq' ? value === right : kind === 'starts-with' && value.startsWith(String(right)));
  if (!holds) throw denied(`Invalid according to Policy: Policy Condition failed: ${JSON.stringify(condition)}`);
  met.add(name);
  return undefined;
};

/**
 * Judges the form of a browser-based upload as S3 does.
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html)
 * @param fields lower-case names; `bucket` is the one that was addressed.
 * @throws {S3Refusal}
 */
export const verifyPost = (
  fields: ReadonlyMap<string, string>,
  { region, credentials, now }: { region: string; credentials: Credentials; now: number },
): SizeRange => {
  const policy = fields.get('policy');
  if (!policy) throw denied('Access Denied');
  const [key, day = '', scopeRegion, service, terminator] = (fields.get('x-amz-credential') ?? '').split('/');
  if (key !== credentials.accessKeyId) throw new S3Refusal(403, 'InvalidAccessKeyId', 'no such key');
  if (fields.get('x-amz-algorithm') !== 'AWS4-HMAC-SHA256') throw new S3Refusal(400, 'InvalidRequest', 'algorithm');
  if (scopeRegion !== region || service !== 's3' || terminator !== 'aws4_request') {
    throw new S3Refusal(400, 'AuthorizationQueryParametersError', 'wrong scope');
  }
  if (fields.get('x-amz-date')?.slice(0, 8) !== day)
    throw new S3Refusal(400, 'InvalidRequest', 'date and scope differ');
  if (fields.get('x-amz-security-token') !== credentials.sessionToken)
    throw new S3Refusal(400, 'InvalidToken', 'token');
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${credentials.secretAccessKey}`,
  );
  const signature = Buffer.from(fields.get('x-amz-signature') ?? '', 'hex');
  const expected = hmac(signingKey, policy);
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
    throw new S3Refusal(403, 'SignatureDoesNotMatch', 'The signature we calculated does not match.');
  }
  const { expiration, conditions } = JSON.parse(Buffer.from(policy, 'base64').toString()) as {
    expiration: string;
    conditions: Condition[];
  };
  if (!(Date.parse(expiration) > now)) throw denied('Invalid according to Policy: Policy expired.');
  const met = new Set<string>();
  const ranges = conditions.flatMap((condition) => check(condition, fields, met) ?? []);
  for (const name of fields.keys()) {
    if (!met.has(name) && !EXEMPT.test(name) && name !== 'bucket') {
      throw denied(`Invalid according to Policy: Extra input fields: ${name}`);
    }
  }
  return {
    min: Math.max(0, ...ranges.map(({ min }) => min)),
    max: Math.min(5 * 2 ** 30, ...ranges.map(({ max }) => max)),
  };
};
