/**
 * Who served this request, carried by the request itself.
 *
 * One holder per invocation, created only while the node header is switched on, handed explicitly from the
 * middleware to the router. Nothing about "the last node" is ever shared between invocations, so the header
 * is exact under concurrency (docs/contract.md 3.7).
 */
export interface Holder {
  nodeId: string | undefined;
}

/** @returns an empty holder for one invocation. */
export const createHolder = (): Holder => ({ nodeId: undefined });

/**
 * Writes the chosen worker's node id. The second stamp wins (failover); an empty id erases nothing; without a
 * holder (switch off) it does nothing.
 */
export const stamp = (holder: Holder | undefined, nodeId: string): void => {
  if (holder && nodeId) holder.nodeId = nodeId;
};

/** @returns the id last stamped, or undefined when nothing was stamped or there is no holder. */
export const stampOf = (holder: Holder | undefined): string | undefined => holder?.nodeId;
