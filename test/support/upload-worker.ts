import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Busboy } from '@fastify/busboy';

/** A file as it arrived, without having been held. */
export interface ArrivedFile {
  readonly part: string;
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface ArrivedForm {
  readonly path: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly files: readonly ArrivedFile[];
  /** The `content-length` that was declared; NaN for none. */
  readonly declared: number;
  /** Bytes of the body that came. */
  readonly length: number;
}

export interface UploadWorker extends AsyncDisposable {
  readonly url: string;
  /** Forms that came in full. */
  readonly forms: readonly ArrivedForm[];
  /** Requests that began. */
  readonly begun: () => number;
}

export interface UploadWorkerOptions {
  /** Asked with the bytes of a body so far; true ends the worker at once: connections reset, port closed. */
  readonly dies?: (received: number) => boolean;
  /** Answers instead of the ordinary 200, once the form is here. */
  readonly status?: () => number;
  /** Answers 413 before the body is read, stops reading, and resets half a second later, as Go's servers do. */
  readonly refusesEarly?: () => boolean;
}

const receive = (request: IncomingMessage, onBytes: (total: number) => void): Promise<ArrivedForm> =>
  new Promise((resolve, reject) => {
    const fields: [string, string][] = [];
    const files: ArrivedFile[] = [];
    let length = 0;
    const parser = new Busboy({ headers: request.headers as { 'content-type': string } });
    parser.on('field', (name: string, value: string) => void fields.push([name, value]));
    parser.on(
      'file',
      (part: string, stream: NodeJS.ReadableStream, filename: string, _: string, contentType: string) => {
        const digest = createHash('sha256');
        let bytes = 0;
        stream.on('data', (block: Buffer) => {
          bytes += block.length;
          digest.update(block);
        });
        stream.on('end', () => void files.push({ part, filename, contentType, bytes, sha256: digest.digest('hex') }));
      },
    );
    parser.on('error', reject);
    parser.on('finish', () =>
      resolve({
        path: request.url ?? '',
        fields,
        files,
        declared: Number(request.headers['content-length'] ?? Number.NaN),
        length,
      }),
    );
    request.on('error', reject);
    request.on('data', (block: Buffer) => {
      length += block.length;
      onBytes(length);
    });
    request.pipe(parser);
  });

/** Starts a worker that hashes what is uploaded to it, as it comes. */
export const startUploadWorker = async ({
  dies,
  status,
  refusesEarly,
}: UploadWorkerOptions = {}): Promise<UploadWorker> => {
  const forms: ArrivedForm[] = [];
  let begun = 0;
  const server = createServer(async (request, response) => {
    const answer = (code: number, body: unknown) =>
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.method !== 'POST') return void answer(200, {});
    begun += 1;
    if (refusesEarly?.()) {
      const { socket } = request;
      socket.pause();
      const body = JSON.stringify({ error: { message: 'over my limit' } });
      socket.end(
        `HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
      return void setTimeout(() => socket.resetAndDestroy(), 500);
    }
    try {
      const form = await receive(request, (total) => {
        if (!dies?.(total)) return;
        server.close();
        request.socket.resetAndDestroy();
        server.closeAllConnections();
      });
      forms.push(form);
      answer(status?.() ?? 200, { text: 'heard', files: form.files });
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forms,
    begun: () => begun,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
};
