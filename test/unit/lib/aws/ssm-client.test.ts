import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createGetParameters, createSsmCall, SsmError } from '../../../../lib/aws/ssm-client.ts';
import { type Aws, startAws } from '../../../support/aws.ts';

let aws: Aws;
beforeEach(async () => {
  aws = await startAws();
});
afterEach(() => aws.close());
const signal = () => new AbortController().signal;

describe('ssm client', () => {
  it('reads with a signature and session token that a strict server accepts, decrypted, absent names left out', async () => {
    aws.ssm.put('/p/a', 'plain');
    aws.ssm.put('/p/b', 'größe', 'SecureString');
    const read = createGetParameters(createSsmCall(aws.env));
    expect(await read(['/p/a', '/p/b', '/p/c'], signal())).toEqual(
      new Map([
        ['/p/a', 'plain'],
        ['/p/b', 'größe'],
      ]),
    );
    expect(aws.calls.map(({ outcome }) => outcome)).toEqual(['ok']);
  });

  it('takes the general endpoint when there is none for SSM', async () => {
    const { AWS_ENDPOINT_URL_SSM: url, AWS_ENDPOINT_URL_ECS: _, ...env } = aws.env;
    aws.ssm.put('/p/a', '1');
    expect((await createGetParameters(createSsmCall({ ...env, AWS_ENDPOINT_URL: url }))(['/p/a'], signal())).size).toBe(
      1,
    );
  });

  it.each([
    ['denied', 'AccessDeniedException'],
    ['broken', 'InternalServerError'],
    ['malformed', 'MalformedAnswer'],
  ] as const)('says what went wrong when SSM is %s', async (kind, code) => {
    aws.fault('GetParameters', { kind });
    const failed = createGetParameters(createSsmCall(aws.env))(['/p/a'], signal());
    await expect(failed).rejects.toThrow(SsmError);
    await expect(failed).rejects.toMatchObject({ code });
  });

  it('rejects on a reset, on a closed port, and when the signal aborts a hanging call', async () => {
    const read = createGetParameters(createSsmCall(aws.env));
    aws.fault('ssm', { kind: 'reset' });
    await expect(read(['/p/a'], signal())).rejects.toMatchObject({ code: 'ECONNRESET' });
    aws.fault('ssm', { kind: 'hanging' });
    await expect(read(['/p/a'], AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'AbortError' });
    await aws.close();
    await expect(read(['/p/a'], signal())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('needs credentials', async () => {
    await expect(
      createGetParameters(createSsmCall({ AWS_REGION: 'eu-central-1' }))(['/p/a'], signal()),
    ).rejects.toThrow('credentials');
  });
});
