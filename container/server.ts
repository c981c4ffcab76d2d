import { sdkCredentials } from '../lib/aws/sdk-credentials.ts';
import { ConfigError, startProblem } from '../lib/config.ts';
import { createParts } from '../lib/gateway.ts';
import { forms } from '../lib/http/form-fields.ts';
import { createImages } from '../lib/inference/images.ts';
import { createRealtime } from '../lib/inference/realtime.ts';
import { createTranslation } from '../lib/inference/translation.ts';
import { createTakeUploads } from '../lib/inference/uploaded-files.ts';
import { received } from '../lib/middleware/received.ts';
import { createUnderWay } from '../lib/router/under-way.ts';
import { createRoom, defaultRoom } from '../lib/server/room.ts';
import { createServer } from '../lib/server/server.ts';
import { log } from '../lib/telemetry/log.ts';
import { anthropicPairs, ollamaPairs, openaiPairs } from '../lib/translation/index.ts';
import { createUploads } from '../lib/uploads/uploads.ts';

/** The container door (docs/contract.md 12): the gateway of all families as one long-running process. */

const MAX_BODY_BYTES = 100_000_000;

const portOf = ({ PORT = '' }: NodeJS.ProcessEnv): number => {
  if (!/^\d*$/.test(PORT) || Number(PORT) > 65_535) throw new ConfigError('PORT', 'must be a port number');
  return PORT === '' ? 8080 : Number(PORT);
};

const start = async () => {
  const underWay = createUnderWay();
  const { config, run, renderError } = createParts({
    forms,
    createImages,
    uploading: { createUploads, createTakeUploads },
    translating: { pairs: [...openaiPairs, ...anthropicPairs, ...ollamaPairs], createTranslation },
    process: {
      maxBodyBytes: MAX_BODY_BYTES,
      admitted: { before: ({ event }) => server.admit(event) },
      received,
      counted: underWay.counted,
      createRealtime,
      credentials: sdkCredentials,
    },
  });
  const server = createServer({
    run,
    renderError,
    requestMs: config.requestMs,
    marginMs: config.deadlineMarginMs,
    drainMs: config.drainMs,
    stallMs: config.idleTimeoutMs,
    idleMs: config.idleTimeoutMs,
    begin: underWay.begin,
    room: createRoom(config.bufferedBytes ?? defaultRoom()),
  });

  let isEnding = false;
  const end = (reason: string, exitCode: number, how: () => Promise<void>) => {
    if (isEnding) return;
    isEnding = true;
    log('info', 'ending', { reason });
    void how().then(() => process.exit(exitCode));
  };
  // What sends them says which: an orchestrator waits, somebody at a terminal does not.
  process.on('SIGTERM', () => end('SIGTERM', 0, server.drain));
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => end(signal, 0, server.stop));
  process.once('disconnect', () => end('disconnect', 1, server.stop));
  // Nobody knows what state this leaves; the streams of others need not suffer for it.
  process.on('uncaughtException', (error) => {
    log('error', 'uncaught_exception', { error: error.stack ?? String(error) });
    end('uncaught_exception', 1, server.drain);
  });
  // A log that nobody reads any more is no reason to end.
  process.stdout.on('error', () => {});

  const { address, port } = await server.listen(portOf(process.env), process.env.HOST || '127.0.0.1');
  log('info', 'listening', { address, port });
};

start().catch((error: NodeJS.ErrnoException) => {
  console.error(startProblem(error));
  // Not its exit code alone: a program that started it holds a channel to it, which keeps it alive.
  process.exit(1);
});
