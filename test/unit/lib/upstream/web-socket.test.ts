import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { InvalidRequestError } from '../../../../lib/errors.ts';
import { openWebSocket } from '../../../../lib/upstream/web-socket.ts';

test('words that no handshake can say are the client’s fault, and end nothing else', async () => {
  const worker = { id: 'a', name: 'a', url: 'http://127.0.0.1:9', status: 'healthy' } as const;
  const sent = { worker, path: '/v1/realtime', headers: {}, signal: new AbortController().signal };
  for (const protocols of [['a b'], ['twice', 'twice']]) {
    await expect(openWebSocket(sent, { protocols, connectTimeoutMs: 1 })).rejects.toThrow(InvalidRequestError);
  }
  // What would be thrown when the time to connect is over, nobody could catch.
  await pause(20);
});
