import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import type { Capture } from '../support/awslambda.ts';
import { problemOf } from '../support/in-dialect.ts';
import type { FuzzOptions, FuzzReport } from './fuzz-requests.ts';
import { createFunction } from './in-process.ts';
import { createProblems, inLanes, tally } from './tally.ts';
import { type WorkerHead, workerHeads } from './worker-heads.ts';

const nodeId = 'node-of-fuzz';
const decodable = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd']);

/** docs/contract.md section 2: what never reaches a client. */
const forbidden = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ],
  ...['server', 'x-powered-by', 'via', 'alt-svc', 'set-cookie', 'access-control-allow-origin'],
]);

/** On a socket of its own, as the bytes are. */
const bytesOf = ({ status, lines, framing, body }: WorkerHead): Buffer => {
  const isBodyless = status === 204 || status === 304;
  const framed = {
    length: `content-length: ${body.length}`,
    chunked: 'transfer-encoding: chunked',
    close: 'x-close: 1',
  };
  const all = ['connection: close', ...lines, ...(isBodyless ? [] : [framed[framing]])];
  const head = Buffer.from(`HTTP/1.1 ${status} Said\r\n${all.join('\r\n')}\r\n\r\n`, 'latin1');
  if (isBodyless) return head;
  const chunk = body.length > 0 ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')] : [];
  return Buffer.concat([head, ...(framing === 'chunked' ? [...chunk, Buffer.from('0\r\n\r\n')] : [body])]);
};

const problemInHeaders = (headers: Readonly<Record<string, string>>): string | undefined => {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return `the name ${JSON.stringify(name)}`;
    if (forbidden.has(name.toLowerCase())) return `the header ${name}`;
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return `the value of ${name}`;
  }
  return headers['x-localai-node'] === nodeId ? undefined : 'no node header';
};

/** @returns what docs/contract.md has against what became of an answer, if anything. */
const judge = (head: WorkerHead, { fatal, failure, ended, prelude, body }: Capture): string | undefined => {
  if (fatal) return `a crash: ${fatal.message}`;
  if (!prelude) return ended || failure ? 'no head' : 'no end';
  const { statusCode: status, headers } = prelude;
  const wrong = problemInHeaders(headers as Record<string, string>);
  if (wrong) return wrong;
  const isRefused = status === 502 && head.status !== 502;
  if (isRefused && head.isSound && !head.mayFail) return 'a sound head refused';
  if (isRefused) return problemOf('openai', body.toString());
  if (!head.isSound) return `an unsound head passed as ${status}`;
  if (status !== head.status) return `status ${status}`;
  if (failure) return undefined;
  // What cannot be taken off stays, and says so.
  const left = [...head.codings];
  while (decodable.has(left.at(-1) ?? '')) left.pop();
  const isUntouched = left.length === head.codings.length;
  const told = String(headers['content-encoding'] ?? '').toLowerCase();
  const codings = told
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  if (codings.join() !== left.map((name) => name.toLowerCase()).join()) return `codings ${told}`;
  if (isUntouched && !body.equals(head.body)) return 'bytes that are not the worker’s';
  return left.length === 0 && head.codings.length > 0 && !body.equals(head.plain) ? 'not what was encoded' : undefined;
};

/** Answers with heads of every kind through a function. */
export const fuzzHeads = async ({ inputs, seed }: FuzzOptions): Promise<FuzzReport> => {
  const heads = new Map<string, WorkerHead>();
  const server = createServer((message) => {
    const head = heads.get(String(message.headers['x-correlation-id']));
    message.resume().once('end', () => head && message.socket.end(bytesOf(head)));
  });
  server.on('connection', (socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const invoke = createFunction('openai', [{ id: nodeId, url }]);
  const problems = createProblems();
  const outcomes: string[] = [];
  const batch = 1000;
  for (let from = 0; from < inputs; from += batch) {
    const all = fc.sample(workerHeads, { numRuns: Math.min(batch, inputs - from), seed: seed + from });
    await inLanes(all.length, 16, async (n) => {
      const head = all[n - 1] as WorkerHead;
      const id = `head-${from + n}`;
      heads.set(id, head);
      const capture = await invoke({
        method: 'POST',
        path: '/v1/chat/completions',
        query: '',
        headers: { 'content-type': 'application/json', 'x-correlation-id': id },
        cookies: [],
        body: '{"model":"test-model","messages":[]}',
      });
      heads.delete(id);
      outcomes.push(capture.failure ? 'broken' : `${capture.prelude?.statusCode}`);
      const problem = judge(head, capture);
      const { body, plain, ...rest } = head;
      const particulars = { ...rest, body: body.toString('latin1'), headers: capture.prelude?.headers };
      if (problem) problems.add(problem, JSON.stringify(particulars).slice(0, 900));
    });
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return { inputs, reached: inputs, outcomes: tally(outcomes), problems: problems.lines() };
};
