import { expect } from '@jest/globals';
import type { Received } from './http.ts';
import { anthropicTypes } from './in-dialect.ts';

/** Asserts that a reply is an error in the caller's dialect, as docs/contract.md section 5 has it. @returns its message */
export const expectErrorIn = (dialect: 'openai' | 'anthropic' | 'ollama', received: Received): string => {
  expect(received.complete).toBe(true);
  expect(received.headers['content-type']).toMatch(/^application\/json/);
  expect(received.text).not.toMatch(/\bat .+:\d+:\d+|127\.0\.0\.1|node_modules|index\.cjs/);
  const body = received.json() as Record<string, unknown>;
  if (dialect === 'ollama') {
    expect(body).toEqual({ error: expect.stringMatching(/./) });
    return String(body.error);
  }
  const error = body.error as { message: string; type: string; code?: unknown };
  expect(error.message).toMatch(/./);
  if (dialect === 'anthropic') {
    expect(body).toEqual({ type: 'error', error: expect.any(Object), request_id: received.headers['request-id'] });
    expect(Object.keys(error).sort()).toEqual(['message', 'type']);
    expect(anthropicTypes).toContain(error.type);
  } else {
    expect(Object.keys(body)).toEqual(['error']);
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
    expect(error.type).toMatch(/./);
  }
  return error.message;
};
