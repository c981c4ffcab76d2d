import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AwsError } from './fault.ts';

/** The one principal the server knows. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SignedRequest {
  readonly method: string;
  /** Request target. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
const invalid = (message: string) => new AwsError('InvalidSignatureException', message);

const amzDate = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
const authorization =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/** Five minutes, as AWS allows. */
const allowedSkewMs = 300_000;

/**
 * Verifies a Signature Version 4 header as AWS does.
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
 * @throws {AwsError} when it is missing, for another scope, outdated, does not cover what it must, or does not match
 */
export const verifySignature = (
  request: SignedRequest,
  { region, service }: { readonly region: string; readonly service: string },
  { accessKeyId, secretAccessKey, sessionToken }: Credentials,
): void => {
  const { headers } = request;
  if (!headers.authorization) throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  const [, key, day, scopeRegion, scopeService, names = '', signature = ''] =
    authorization.exec(headers.authorization) ?? [];
  if (!key) throw new AwsError('IncompleteSignatureException', `not a SigV4 header: ${headers.authorization}`);
  const unrecognized = 'The security token included in the request is invalid.';
  if (key !== accessKeyId) throw new AwsError('UnrecognizedClientException', unrecognized);
  if (headers['x-amz-security-token'] !== sessionToken) throw new AwsError('UnrecognizedClientException', unrecognized);
  if (scopeRegion !== region || scopeService !== service) {
    throw invalid(`Credential should be scoped to ${region}/${service}, not ${scopeRegion}/${scopeService}`);
  }
  const stamp = String(headers['x-amz-date']);
  const [, year, month, date, hour, minute, second] = (amzDate.exec(stamp) ?? []).map(Number);
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, date, hour, minute, second);
  if (!(Math.abs(Date.now() - at) <= allowedSkewMs)) throw invalid(`Signature expired or not yet valid: ${stamp}`);
  if (stamp.slice(0, 8) !== day) throw invalid('Date in Credential scope does not match X-Amz-Date');
  const signed = names.split(';');
  const amz = Object.keys(headers).filter((name) => name.startsWith('x-amz-') && name !== 'x-amz-user-agent');
  for (const name of ['host', ...amz]) if (!signed.includes(name)) throw invalid(`${name} must be a signed header`);

  const canonicalHeaders = signed.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}\n`);
  const [path, query = ''] = request.path.split('?', 2);
  const canonical = [request.method, path, query, canonicalHeaders.join(''), names, sha256(request.body)].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n');
  const signingKey = [String(day), region, service, 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${secretAccessKey}`,
  );
  const expected = hmac(signingKey, toSign);
  if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) {
    throw invalid('The request signature we calculated does not match the signature you provided.');
  }
};
