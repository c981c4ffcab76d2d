import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { readJson } from '../http/body.ts';
import { type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { model } from './text-fields.ts';

/** One check over the whole list: a schema entry a sample would take seconds for a minute of sound. */
const isSound = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((sample) => Number.isFinite(sample));

const Body = v.object({
  model,
  audio: v.custom<number[]>(isSound, 'expected a non-empty list of numbers: 16 kHz mono samples in [-1, 1]'),
});

/** `POST /v1/vad`, LocalAI's voice activity detection. */
export const createVadRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/v1/vad', '/vad'],
  dialect: 'openai',
  async handle(exchange: Exchange) {
    const body = await readJson(exchange.request, Body);
    const { engine } = engines.select('vad', body.model ?? undefined);
    for await (const segments of engine.run(Float32Array.from(body.audio), exchange.signal))
      sendJson(exchange, { segments });
  },
});
