import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { ApiError } from '../http/api-error.ts';
import { readJson } from '../http/body.ts';
import { sendBytes, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { text } from './text-fields.ts';

const ShowBody = v.object({ model: v.nullish(text), name: v.nullish(text) });

const details = {
  parent_model: '',
  format: 'demo',
  family: 'demo',
  families: ['demo'],
  parameter_size: '',
  quantization_level: '',
};

/** The model lists of Ollama's API, https://docs.ollama.com/api. */
export const createOllamaModelRoutes = (engines: Engines): Route[] => {
  const startedAt = new Date().toISOString();
  const entry = (id: string) => ({
    name: `${id}:latest`,
    model: `${id}:latest`,
    size: 0,
    digest: createHash('sha256').update(id).digest('hex'),
    details,
  });
  return [
    {
      method: 'GET',
      paths: ['/api/tags'],
      dialect: 'ollama',
      handle: (exchange) =>
        sendJson(exchange, { models: engines.models.map((id) => ({ ...entry(id), modified_at: startedAt })) }),
    },
    {
      method: 'GET',
      paths: ['/api/ps'],
      dialect: 'ollama',
      handle: (exchange) =>
        sendJson(exchange, { models: engines.loaded().map((id) => ({ ...entry(id), size_vram: 0 })) }),
    },
    {
      method: 'POST',
      paths: ['/api/show'],
      dialect: 'ollama',
      async handle(exchange) {
        const body = await readJson(exchange.request, ShowBody);
        const name = body.model ?? body.name ?? '';
        const id = name.replace(/:latest$/, '');
        if (!engines.models.includes(id)) throw new ApiError(404, `model '${name}' not found`);
        const capabilities = engines.capabilitiesOf(id).flatMap((capability) => ollamaCapabilities[capability] ?? []);
        sendJson(exchange, { modelfile: '', parameters: '', template: '', details, model_info: {}, capabilities });
      },
    },
    {
      method: 'GET',
      paths: ['/api/version'],
      dialect: 'ollama',
      handle: (exchange) => sendJson(exchange, { version: '0.9.0' }),
    },
    {
      method: 'GET',
      paths: ['/'],
      dialect: 'ollama',
      handle: (exchange) => sendBytes(exchange, 'text/plain; charset=utf-8', 'Ollama is running'),
    },
  ];
};

const ollamaCapabilities: Record<string, string> = { text: 'completion', embedding: 'embedding' };
