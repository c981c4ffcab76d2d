import { describe, expect, it } from '@jest/globals';
import { nodeId } from '../../../../lib/registrar/node-id.ts';

const arn = 'arn:aws:ecs:eu-central-1:123456789012:task/gpu/0123456789abcdef0123456789abcdef';

describe('nodeId', () => {
  it('is a UUIDv5, and for ever the same one for a task', () => {
    // Python: uuid.uuid5(uuid.UUID('6ba3c1de5f0b4a0e9d3b0f4f3f5c7a21'), arn)
    expect(nodeId(arn)).toBe('52598c5c-b205-5696-8c5e-b21ca8453f97');
  });

  it('differs between tasks and gives nothing of the ARN away', () => {
    const other = nodeId(arn.replace(/f$/, '0'));
    expect(other).not.toBe(nodeId(arn));
    expect(other).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(other).not.toContain('12345678');
  });
});
