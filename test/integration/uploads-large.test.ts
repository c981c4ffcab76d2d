import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { performance } from 'node:perf_hooks';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { startGateway } from '../support/gateway.ts';
import { needs } from '../support/needs.ts';
import { transcribe, uploaded } from '../support/s3/client.ts';
import { type S3, startS3 } from '../support/s3.ts';
import { startUploadWorker, type UploadWorker } from '../support/upload-worker.ts';

/** Large recordings on their way from S3 to a worker: whole, at once, and never in the function's memory. */
const MB = 1_000_000;
/** Bytes of no pattern, so that a block lost or doubled shows. */
const block = Buffer.alloc(MB);
for (let at = 0, state = 1; at < MB; at += 1) {
  state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
  block[at] = state >> 16;
}
const recordings = new Map<number, Blob>();
const recordingOf = (megabytes: number): Blob => {
  const known = recordings.get(megabytes) ?? new Blob(Array.from({ length: megabytes }, () => block));
  recordings.set(megabytes, known);
  return known;
};
const digestOf = (megabytes: number): string => {
  const digest = createHash('sha256');
  for (let at = 0; at < megabytes; at += 1) digest.update(block);
  return digest.digest('hex');
};

/** Kilobytes of a process's status in /proc. */
const kilobytes = (pid: number, field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

/** The same form straight to the worker, as fast as it takes it. */
const sendDirectly = (url: string, megabytes: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const lead = Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n');
    const end = Buffer.from('\r\n--b--\r\n');
    const request = httpRequest(
      `${url}/v1/audio/transcriptions`,
      {
        method: 'POST',
        agent: false,
        headers: {
          'content-type': 'multipart/form-data; boundary=b',
          'content-length': lead.length + megabytes * MB + end.length,
        },
      },
      (response) => response.resume().once('end', resolve),
    );
    request.on('error', reject);
    const write = async () => {
      request.write(lead);
      for (let at = 0; at < megabytes; at += 1) {
        if (!request.write(block)) await new Promise((drained) => request.once('drain', drained));
      }
      request.end(end);
    };
    write().catch(reject);
  });

let s3: S3;
let worker: UploadWorker;
const closing: AsyncDisposable[] = [];
beforeAll(async () => {
  s3 = await startS3({ bucket: 'media' });
});
afterAll(() => s3?.close());
afterEach(async () => {
  for (const one of closing.splice(0)) await one[Symbol.asyncDispose]();
  s3.forget();
});

const start = async (workers: readonly UploadWorker[]) => {
  const gateway = await startGateway({
    workers: workers.map(({ url }, at) => ({ id: `node-${at}`, url, models: ['test-model'] })),
    env: {
      ...s3.env,
      GATEWAY_UPLOAD_BUCKET: 'media',
      GATEWAY_ALLOW_ANONYMOUS: undefined,
      LOCALAI_API_KEY: 'sk-one',
    },
    functions: ['audio'],
    limits: { maxEnvironments: 1 },
  });
  closing.push(gateway, ...workers);
  return gateway;
};

needs('aws-lambda-ric')('large uploads through the real runtime client', () => {
  test('25 MB and 150 MB arrive whole, and the memory of the environment stays flat', async () => {
    worker = await startUploadWorker();
    const gateway = await start([worker]);
    // What the first request of the kind loads is not what a large one costs.
    await transcribe(gateway, { file_id: await uploaded(gateway, 'warm', { filename: 'warm.wav' }) });
    const pid = gateway.environments('audio')[0]?.pid ?? 0;
    const before = kilobytes(pid, 'VmRSS');
    for (const megabytes of [25, 150]) {
      const recording = recordingOf(megabytes);
      const id = await uploaded(gateway, recording, { filename: 'meeting.wav', content_type: 'audio/wav' });
      // 5: the peak starts anew (proc(5)).
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
      const began = performance.now();
      const received = await transcribe(gateway, { file_id: id });
      const through = performance.now() - began;
      const rise = (kilobytes(pid, 'VmHWM') - before) / 1024;

      expect([received.status, received.text]).toEqual([200, expect.stringContaining('heard')]);
      expect(worker.forms.at(-1)).toMatchObject({
        files: [
          {
            part: 'file',
            filename: 'meeting.wav',
            contentType: 'audio/wav',
            bytes: megabytes * MB,
            sha256: digestOf(megabytes),
          },
        ],
        fields: [['model', 'test-model']],
      });
      const { declared, length } = worker.forms.at(-1) ?? {};
      expect(declared).toBe(length);
      expect(gateway.environments('audio').map((one) => one.pid)).toEqual([pid]);

      const directBegan = performance.now();
      await sendDirectly(worker.url, megabytes);
      const direct = performance.now() - directBegan;
      process.stdout.write(
        `upload ${megabytes} MB: ${through.toFixed(0)} ms through the gateway, ${direct.toFixed(0)} ms straight to the worker; ` +
          `resident memory ${(before / 1024).toFixed(0)} MB +${rise.toFixed(1)} MB at its peak\n`,
      );
      expect(rise).toBeLessThan(30);
    }
  }, 120_000);

  test('a worker killed in the middle of the upload: the next one gets the whole object and is the one named', async () => {
    let killed = -1;
    const dying = (index: number) => (received: number) => {
      if (killed === -1 && received > 10 * MB) killed = index;
      return killed === index;
    };
    const workers = [await startUploadWorker({ dies: dying(0) }), await startUploadWorker({ dies: dying(1) })];
    const gateway = await start(workers);
    const id = await uploaded(gateway, recordingOf(25));
    const received = await transcribe(gateway, { file_id: id });
    expect([received.status, received.text]).toEqual([200, expect.stringContaining('heard')]);
    expect([0, 1]).toContain(killed);
    const survivor = 1 - killed;
    expect(received.headers['x-localai-node']).toBe(`node-${survivor}`);
    expect(workers.map((one) => one.forms.length)[killed]).toBe(0);
    expect(workers[survivor]?.forms[0]?.files).toMatchObject([{ bytes: 25 * MB, sha256: digestOf(25) }]);
    // Read from its beginning for each of them.
    expect(s3.calls.filter(({ method }) => method === 'GET').map(({ range }) => range)).toEqual([
      'bytes=0-',
      'bytes=0-',
    ]);
  });

  test('a worker that refuses at once is heard, and gets no more of it', async () => {
    worker = await startUploadWorker({ refusesEarly: () => true });
    const gateway = await start([worker]);
    const id = await uploaded(gateway, recordingOf(25));
    const received = await transcribe(gateway, { file_id: id });
    expect([received.status, received.text]).toEqual([413, expect.stringContaining('over my limit')]);
    expect(received.headers['x-localai-node']).toBe('node-0');
    expect(worker.begun()).toBe(1);
    expect(s3.objects.size).toBe(1);
  });

  test('a read of S3 that breaks goes on where it broke', async () => {
    worker = await startUploadWorker();
    const gateway = await start([worker]);
    const id = await uploaded(gateway, recordingOf(25));
    s3.failReads({ breakAfter: 9 * MB }, { status: 503 });
    const received = await transcribe(gateway, { file_id: id });
    expect([received.status, received.text]).toEqual([200, expect.stringContaining('heard')]);
    expect(worker.begun()).toBe(1);
    expect(worker.forms[0]?.files).toMatchObject([{ bytes: 25 * MB, sha256: digestOf(25) }]);
    const ranges = s3.calls.filter(({ method }) => method === 'GET').map(({ range }) => range);
    expect(ranges).toHaveLength(3);
    expect(ranges[1]).toBe(ranges[2]);
    expect(ranges[1]).not.toBe('bytes=0-');
  });
});
