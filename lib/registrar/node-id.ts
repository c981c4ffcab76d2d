import { createHash } from 'node:crypto';

/** Namespace of the gateway's node ids; changing it would rename every node. */
const namespace = Buffer.from('6ba3c1de5f0b4a0e9d3b0f4f3f5c7a21', 'hex');

/**
 * @param taskArn the ECS task's ARN, which the id does not give away.
 * @returns its UUIDv5 (RFC 9562 5.5): the same in every run and every registrar.
 */
export const nodeId = (taskArn: string): string => {
  const bytes = createHash('sha1').update(namespace).update(taskArn).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};
