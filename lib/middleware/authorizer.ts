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

/** After `Bearer`, or alone: some clients leave the scheme out. Another scheme's credentials are no key. */
const authorizationKey = (value = ''): string | undefined => {
  const [scheme = '', ...rest] = value.trim().split(/\s+/);
  const isBearer = scheme.toLowerCase() === 'bearer';
  if (rest.length === 0) return isBearer ? undefined : scheme;
  return isBearer ? value.trim().slice(scheme.length).trim() : undefined;
};

/** The first of the places a key may stand in that holds one (docs/contract.md 7). */
const presentedKey = (request: GatewayRequest): string | undefined => {
  const { headers } = request;
  return (
    authorizationKey(headers.authorization) ||
    headers['x-api-key'] ||
    headers['api-key'] ||
    headers['xi-api-key'] ||
    cookieToken(request) ||
    undefined
  );
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

export interface Door {
  readonly snapshot: Snapshot;
  /** Whose key opens it. */
  readonly access: 'key' | 'admin';
  /** `GATEWAY_ALLOW_ANONYMOUS`. */
  readonly allowAnonymous: boolean;
}

/** Whether anybody may call without a key: allowed by the operator, and no key is known that would close it. */
export const isOpen = ({ snapshot, access, allowAnonymous }: Door): boolean =>
  allowAnonymous && snapshot.apiKeys.length === 0 && (access === 'key' || snapshot.adminKeys.length === 0);

/** @throws {UnauthorizedError} no key, a wrong one, or none configured at all: closed. */
export const authorize = (request: GatewayRequest, door: Door): void => {
  if (isOpen(door)) return;
  const { snapshot, access } = door;
  const key = presentedKey(request);
  if (key === undefined) {
    throw new UnauthorizedError('An API key is required: send it as Authorization: Bearer or x-api-key.');
  }
  if (!isAmong(key, access === 'admin' ? snapshot.adminKeys : snapshot.apiKeys)) {
    throw new UnauthorizedError(access === 'admin' ? 'This needs an admin key.' : 'The API key is not valid.');
  }
  request.caller = digestKey(key);
};
