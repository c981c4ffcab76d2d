import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';

/**
 * The floor: a streaming handler that only pipes to one worker, on the same runtime client. No keys, no routing, no
 * failover, no ending of a broken stream; as fast as `node:http` goes (its body is drained with `for await`).
 */
const { Agent, request: send } = process.getBuiltinModule('node:http');
const agent = new Agent({ keepAlive: true });
const { hostname, port } = new URL(process.env.BENCH_WORKER ?? '');

const ask = (method: string, path: string, headers: Record<string, string>, body: Buffer) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    send({ hostname, port, agent, method, path, headers }, resolve).once('error', reject).end(body);
  });

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const { rawPath, requestContext, headers, isBase64Encoded } = event;
  const body = Buffer.from(event.body ?? '', isBase64Encoded ? 'base64' : 'utf8');
  const response = await ask(requestContext.http.method, rawPath, headers as Record<string, string>, body);
  let out: awslambda.HttpResponseStream | undefined;
  const open = () =>
    awslambda.HttpResponseStream.from(stream, {
      statusCode: response.statusCode ?? 502,
      headers: { 'content-type': response.headers['content-type'] ?? '' },
    });
  for await (const chunk of response) {
    out ??= open();
    if (!out.write(chunk)) await once(out, 'drain');
  }
  if (!out) open().write('');
  await new Promise<void>((resolve) => stream.end(resolve));
});
