import { createServer, type Socket } from 'node:net';
import { stampNow } from './token-stamp.ts';

/**
 * A worker of streams that costs next to nothing: no HTTP server, one timer for all streams, one write of ready bytes a
 * token, with the time of that write in it. Streams of one batch speak in one go, as an engine's do: it steps all its
 * sequences at once.
 */

const HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n';

const event = (content: string, finish: string) =>
  `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"bench","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":${finish}}]}\n\n`;
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

const [BEFORE = '', AFTER = ''] = chunk(event('#'.repeat(stampNow().length), 'null')).split(/#+/);
const END = `${chunk(event('', '"stop"'))}${chunk('data: [DONE]\n\n')}0\r\n\r\n`;

interface Stream {
  readonly socket: Socket;
  left: number;
}

export interface TokenWorkerOptions {
  readonly everyMs: number;
}

/** Batches, a millisecond apart where there is one for each. */
const batchesFor = (everyMs: number) => Math.max(1, Math.round(everyMs));

/** @returns where it listens, and how to end it. */
export const startTokenWorker = async ({ everyMs }: TokenWorkerOptions) => {
  /** Of a stream that begins. */
  let tokens = 1;
  const batches: Set<Stream>[] = Array.from({ length: batchesFor(everyMs) }, () => new Set());
  let opened = 0;

  const speak = (batch: Set<Stream>) => {
    for (const stream of batch) {
      stream.socket.write(BEFORE + stampNow() + AFTER, 'latin1');
      stream.left -= 1;
      if (stream.left > 0) continue;
      batch.delete(stream);
      stream.socket.write(END, 'latin1');
    }
  };

  const server = createServer({ noDelay: true }, (socket) => {
    let asked = '';
    let stream: Stream | undefined;
    const batch = batches[opened % batches.length] as Set<Stream>;
    opened += 1;
    socket.on('data', (piece) => {
      asked += piece.toString('latin1');
      const head = asked.indexOf('\r\n\r\n');
      const length = Number(/content-length: *(\d+)/i.exec(asked)?.[1] ?? 0);
      if (head === -1 || asked.length < head + 4 + length) return;
      asked = '';
      stream = { socket, left: tokens };
      socket.write(HEAD, 'latin1');
      batch.add(stream);
    });
    socket.once('close', () => stream && batch.delete(stream));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));

  // Each turn is due at a time that does not depend on how late the one before it was.
  const stepMs = everyMs / batches.length;
  let turn = 0;
  const startedAt = performance.now();
  let timer: NodeJS.Timeout;
  const next = () => {
    const due = (performance.now() - startedAt) / stepMs;
    for (; turn <= due; turn += 1) speak(batches[turn % batches.length] as Set<Stream>);
    timer = setTimeout(next, 1);
  };
  timer = setTimeout(next, 1);

  const address = server.address();
  return {
    origin: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    setTokens(ofStream: number) {
      tokens = ofStream;
    },
    close() {
      clearTimeout(timer);
      server.close();
    },
  };
};
