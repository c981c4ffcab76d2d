import { createServer, type Server, type ServerResponse } from 'node:http';

/** Sends small pieces at a known pace. */
export const PACED_MODEL = 'doctor-paced';
/** Breaks off in the middle. */
export const CUT_MODEL = 'doctor-cut';
export const PIECES = 12;
const PACE_MS = 250;
/** Pieces before the cut. */
const CUT_AFTER = 3;

/** How each API says one piece of text, and what ends its streams. */
const dialects: Readonly<Record<string, { piece(text: string): string; head: string; end: string; type: string }>> = {
  '/v1/chat/completions': {
    type: 'text/event-stream',
    head: '',
    piece: (text) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`,
    end: 'data: [DONE]\n\n',
  },
  '/v1/messages': {
    type: 'text/event-stream',
    head: `event: message_start\ndata: ${JSON.stringify({ type: 'message_start', message: { role: 'assistant', content: [] } })}\n\n`,
    piece: (text) =>
      `event: content_block_delta\ndata: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })}\n\n`,
    end: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  },
  '/api/chat': {
    type: 'application/x-ndjson',
    head: '',
    piece: (text) => `${JSON.stringify({ message: { role: 'assistant', content: text }, done: false })}\n`,
    end: '{"done":true}\n',
  },
};

const answer = async (path: string, model: string, response: ServerResponse) => {
  const dialect = dialects[path];
  if (!dialect) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': dialect.type }).write(dialect.head);
  const pace = model === CUT_MODEL ? 10 : PACE_MS;
  const startedAt = performance.now();
  for (let piece = 0; piece < (model === CUT_MODEL ? CUT_AFTER : PIECES); piece += 1) {
    const due = startedAt + piece * pace - performance.now();
    if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
    if (response.destroyed) return;
    // When it was sent, as its content: what arrives is compared with it.
    response.write(dialect.piece(`${Math.round(performance.now() - startedAt)};`));
  }
  if (model === CUT_MODEL) response.destroy();
  else response.end(dialect.end);
};

/**
 * A worker for the doctor's sake, to be put among the gateway's workers: one model with a pace that can be measured,
 * and one that breaks off, both in all three dialects.
 * @param host default: loopback.
 */
export const startDoctorWorker = (port: number, host = '127.0.0.1'): Promise<Server> => {
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const json = (value: object) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (path === '/readyz' || path === '/healthz') return void json({ status: 'ok' });
    if (path === '/v1/models') {
      return void json({ object: 'list', data: [PACED_MODEL, CUT_MODEL].map((id) => ({ id, object: 'model' })) });
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    let body: { model?: string; stream?: boolean };
    try {
      body = JSON.parse(Buffer.concat(chunks).toString());
    } catch {
      return void response.writeHead(400).end();
    }
    const { model = '', stream = path === '/api/chat' } = body;
    if (stream) await answer(path, model, response);
    else json({ choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }] });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => resolve(server));
  });
};
