import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { ApiError } from '../http/api-error.ts';
import { readJson } from '../http/body.ts';
import { createEventStream, type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { collect, type Generation, startGeneration } from '../text/generation.ts';
import { count, DEFAULT_MAX_TOKENS, flag, message, model, temperature, text } from './text-fields.ts';

const Body = v.object({
  model,
  input: v.union([text, v.array(message)], 'expected a string or a list of items'),
  instructions: v.nullish(text),
  max_output_tokens: v.nullish(count, DEFAULT_MAX_TOKENS),
  temperature: v.nullish(temperature, 1),
  stream: v.nullish(flag, false),
  previous_response_id: v.nullish(text),
  background: v.nullish(flag, false),
});

type ResponsesBody = v.InferOutput<typeof Body>;

const toMessages = ({ input, instructions }: ResponsesBody) => {
  const turns = typeof input === 'string' ? [{ role: 'user' as const, content: input }] : input;
  return instructions ? [{ role: 'system' as const, content: instructions }, ...turns] : turns;
};

/** The response object in its three states: begun, complete, or cut at `max_output_tokens`. */
const createResponse = (body: ResponsesBody, servedModel: string) => {
  const base = {
    id: `resp_${randomUUID()}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    model: body.model ?? servedModel,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens,
    temperature: body.temperature,
    error: null,
    metadata: {},
    parallel_tool_calls: false,
    tool_choice: 'none',
    tools: [],
    previous_response_id: null,
  };
  const itemId = `msg_${randomUUID()}`;
  const part = (text: string) => ({ type: 'output_text', text, annotations: [] });
  const item = (status: string, content: object[]) => ({
    type: 'message',
    id: itemId,
    status,
    role: 'assistant',
    content,
  });
  return {
    itemId,
    part,
    item,
    begun: () => ({ ...base, status: 'in_progress', incomplete_details: null, output: [], usage: null }),
    ended(text: string, { promptTokens, ending }: Generation) {
      const isCut = ending.reason === 'length';
      const status = isCut ? 'incomplete' : 'completed';
      return {
        ...base,
        status,
        incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
        output: [item(status, [part(text)])],
        usage: {
          input_tokens: promptTokens,
          input_tokens_details: { cached_tokens: 0 },
          output_tokens: ending.completionTokens,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: promptTokens + ending.completionTokens,
        },
      };
    },
  };
};

const stream = async (exchange: Exchange, response: ReturnType<typeof createResponse>, generation: Generation) => {
  const events = createEventStream(exchange);
  let sequence_number = 0;
  const send = (type: string, fields: object) => events.typed(type, { sequence_number: sequence_number++, ...fields });
  const at = { item_id: response.itemId, output_index: 0, content_index: 0 };
  await send('response.created', { response: response.begun() });
  await send('response.in_progress', { response: response.begun() });
  await send('response.output_item.added', { output_index: 0, item: response.item('in_progress', []) });
  await send('response.content_part.added', { ...at, part: response.part('') });
  let text = '';
  for await (const delta of generation.pieces) {
    text += delta;
    await send('response.output_text.delta', { ...at, delta, logprobs: [] });
  }
  const ended = response.ended(text, generation);
  await send('response.output_text.done', { ...at, text, logprobs: [] });
  await send('response.content_part.done', { ...at, part: response.part(text) });
  await send('response.output_item.done', { output_index: 0, item: ended.output[0] });
  await send(`response.${ended.status}`, { response: ended });
  await events.done();
};

/** `POST /v1/responses`, https://platform.openai.com/docs/api-reference/responses; keeps no state. */
export const createOpenAiResponsesRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/v1/responses', '/responses'],
  dialect: 'openai',
  async handle(exchange) {
    const body = await readJson(exchange.request, Body);
    if (body.previous_response_id || body.background) {
      throw new ApiError(
        400,
        'This demo worker keeps no responses: send the whole conversation as input, in the foreground.',
      );
    }
    const { id, engine } = engines.select('text', body.model ?? undefined);
    const response = createResponse(body, id);
    const input = { messages: toMessages(body), maxTokens: body.max_output_tokens, temperature: body.temperature };
    const generation = await startGeneration(engine, input, [], exchange.signal);
    if (body.stream) return stream(exchange, response, generation);
    const text = await collect(generation);
    sendJson(exchange, response.ended(text, generation));
  },
});
