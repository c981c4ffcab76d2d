import { digestKey } from '../discovery/keys.ts';
import type { Snapshot } from '../discovery/source.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { UnauthorizedError } from '../errors.ts';

const cookieToken = (request: GatewayRequest): string | undefined => {
  const pairs = [...request.cookies, ...(request.headers.cookie ?? '').split(';')];
  return pairs
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith('token='))
    ?.slice('token='.length);
};

/** The first of the places a key may stand in that holds one (CONTRACT.md 7). */
const presentedKey = (request: GatewayRequest): string | undefined => {
  const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1]?.trim();
  return bearer || request.headers['x-api-key'] || request.headers['xi-api-key'] || cookieToken(request) || undefined;
};

/** Digests are compared all, each in constant time: neither the place of a match nor its length shows. */
const isAmong = (key: string, digests: readonly string[]): boolean => {
  const { createHash, timingSafeEqual } = process.getBuiltinModule('node:crypto');
  const digest = createHash('sha256').update(key).digest();
  let found = false;
  for (const known of digests) {
    const expected = Buffer.from(known, 'hex');
    found = (expected.length === digest.length && timingSafeEqual(digest, expected)) || found;
  }
  return found;
};

/** Whether anybody may call without a key: allowed by the operator, and no key is known that would close it. */
export const isOpen = (snapshot: Snapshot, access: 'key' | 'admin', allowAnonymous: boolean): boolean =>
  allowAnonymous && snapshot.apiKeys.length === 0 && (access === 'key' || snapshot.adminKeys.length === 0);

/**
 * @param access `admin` for `GET /api/nodes`.
 * @throws {UnauthorizedError} no key, a wrong one, or none configured at all: closed.
 */
export const authorize = (
  request: GatewayRequest,
  snapshot: Snapshot,
  access: 'key' | 'admin',
  allowAnonymous: boolean,
): void => {
  if (isOpen(snapshot, access, allowAnonymous)) return;
  const key = presentedKey(request);
  if (key === undefined) {
    throw new UnauthorizedError('An API key is required: send it as Authorization: Bearer or x-api-key.');
  }
  if (!isAmong(key, access === 'admin' ? snapshot.adminKeys : snapshot.apiKeys)) {
    throw new UnauthorizedError(access === 'admin' ? 'This needs an admin key.' : 'The API key is not valid.');
  }
  request.caller = digestKey(key);
};
