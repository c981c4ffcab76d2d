import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Reply } from '../http/reply.ts';
import { ClientLeftError } from './client-left-error.ts';
import { linger } from './linger.ts';
import { endReply, type WriteOptions, writeReply } from './write-reply.ts';

export interface RespondOptions extends Pick<WriteOptions, 'stallMs'> {
  /** Middlewares and handler. */
  readonly run: (request: GatewayRequest) => Promise<Reply>;
  /** Answers an error that comes while the body is made, before its first byte. */
  readonly renderError: (error: unknown, request: GatewayRequest) => Reply;
  /** Whether no connection is to be kept. */
  readonly isLast: () => boolean;
}

/** A body that broke behind its head: after what was written, and so that it cannot pass for a normal end. */
const breakOff = (message: IncomingMessage, response: ServerResponse): void => {
  const { socket } = message;
  // Where only the connection's end says where a body ends, a clean one would be a lie.
  if (message.httpVersionMinor === 0) socket.resetAndDestroy();
  else if (!response.writableEnded) socket.destroySoon();
};

/** A client that leaves ends whatever runs for it, at once. @returns whether it has left. */
const watchClient = (response: ServerResponse, { deadline }: GatewayRequest) => {
  let hasLeft = false;
  const closed = () => {
    if (response.writableFinished) return;
    hasLeft = true;
    deadline.abort(new ClientLeftError());
  };
  response.once('close', closed);
  // Whatever is written to a client that has left is lost, and no error of ours.
  response.on('error', () => {});
  return { hasLeft: () => hasLeft };
};

/** Takes one request through the gateway and writes its answer. Never rejects. */
export const respond = async (
  message: IncomingMessage,
  response: ServerResponse<IncomingMessage>,
  request: GatewayRequest,
  { run, renderError, isLast, stallMs }: RespondOptions,
): Promise<void> => {
  const client = watchClient(response, request);
  const write = (reply: Reply) =>
    // What is left unread of a refused body would be read as the next request.
    writeReply(response, reply, request, { stallMs, isLast: isLast() || !message.complete });
  try {
    const reply = await run(request);
    try {
      await write(reply);
    } catch (error) {
      if (response.headersSent || response.destroyed) throw error;
      await write(renderError(error, request));
    }
    await linger(message);
    await endReply(response, stallMs);
  } catch (error) {
    request.deadline.abort(error instanceof Error ? error : new Error('The response could not be written.'));
    breakOff(message, response);
  }
  if (client.hasLeft() && request.record) request.record.ending = 'client';
  await Promise.allSettled(request.afterwards.map((afterwards) => afterwards()));
};
