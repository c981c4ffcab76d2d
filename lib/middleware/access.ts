import { noKey } from '../discovery/keys.ts';
import type { Snapshot, Source } from '../discovery/source.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { UnavailableError } from '../errors.ts';
import { authorize, isOpen } from './authorizer.ts';
import type { Middleware } from './middleware.ts';

export interface AccessOptions {
  readonly source: Source;
  /** Whether an operator has said where workers come from. */
  readonly isConfigured: boolean;
  /** `GATEWAY_ALLOW_ANONYMOUS`. */
  readonly allowAnonymous: boolean;
}

/**
 * Reads the configuration this request is served under and lets only holders of a key further. It comes before the
 * path is judged, so that without a key nothing is told, not even which paths exist.
 */
export const access = ({ source, allowAnonymous }: AccessOptions): Middleware => ({
  before: async function accessBefore({ event: request }) {
    const level = request.match?.endpoint.access ?? 'key';
    if (level === 'none' || request.method === 'OPTIONS') return;
    request.snapshot = await source.current(request.deadline.signal);
    authorize(request, { snapshot: request.snapshot, access: level, allowAnonymous });
  },
});

/**
 * The snapshot of an endpoint that the gateway answers itself, `/readyz` among them.
 * @throws {UnavailableError} while nothing is configured, or nobody could call.
 */
export const usableSnapshot = async (
  { source, isConfigured, allowAnonymous }: AccessOptions,
  request: GatewayRequest,
): Promise<Snapshot> => {
  const snapshot = request.snapshot ?? (await source.current(request.deadline.signal));
  if (!isConfigured) throw new UnavailableError('No workers are configured.', { retryAfter: 30 });
  // Whoever showed a key has a snapshot already; `/readyz` asks for nobody in particular.
  const hasKey = snapshot.apiKeys.some((key) => key !== noKey);
  if (!request.snapshot && !hasKey && !isOpen({ snapshot, access: 'key', allowAnonymous })) {
    throw new UnavailableError('No usable API key is configured, so nobody may call.', { retryAfter: 30 });
  }
  return snapshot;
};
