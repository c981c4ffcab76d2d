// @ts-nocheck: its packages are installed where it runs (run.ts).
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from 'ai';
import { check, equal, KEY, match, ORIGIN, PICTURE, SAID, throws } from './checks.js';

/** `node ai-sdk.js <provider>`: what Vercel's AI SDK makes of a worker that speaks OpenAI's chat completions only. */
const headers = { authorization: `Bearer ${KEY}` };
const providers = {
  '@ai-sdk/openai': async (name) => {
    const { createOpenAI } = await import(name);
    const model = createOpenAI({ baseURL: `${ORIGIN}/v1`, apiKey: KEY })('test-model');
    const openai = { store: false };
    const thinking = { openai: { ...openai, forceReasoning: true, reasoningSummary: 'auto' } };
    return { model, providerOptions: { openai }, thinking };
  },
  '@ai-sdk/anthropic': async (name) => {
    const { createAnthropic } = await import(name);
    const model = createAnthropic({ baseURL: `${ORIGIN}/v1`, apiKey: KEY })('test-model');
    return { model, thinking: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } } };
  },
  'ollama-ai-provider-v2': async (name) => {
    const { createOllama } = await import(name);
    const model = createOllama({ baseURL: `${ORIGIN}/api`, headers })('test-model');
    // It prints an error line and goes on, whoever sends it; and takes pictures as text only.
    return { model, thinking: { ollama: { think: true } }, isDeaf: true, picture: PICTURE.toString('base64') };
  },
  'ai-sdk-ollama': async (name) => {
    const { createOllama } = await import(name);
    return { model: createOllama({ baseURL: ORIGIN, headers })('test-model', { think: true }) };
  },
};
const [, , which] = process.argv;
const { thinking, isDeaf, picture: data = PICTURE, ...own } = await providers[which](which);
const given = { ...own, maxRetries: 0, maxOutputTokens: 64 };

const schema = jsonSchema({
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
});
const weather = tool({ description: 'Tells it.', inputSchema: schema, execute: ({ city }) => `rain in ${city}` });

/** @returns the same of an answer, streamed or not. */
const answerTo = async (isStreamed, asked) => {
  if (!isStreamed) return generateText({ ...given, ...asked });
  const errors = [];
  const stream = streamText({ ...given, ...asked, onError: ({ error }) => errors.push(error) });
  const parts = [];
  for await (const part of stream.fullStream) parts.push(part);
  if (errors.length > 0) throw errors[0];
  const [text, usage, finishReason, steps, reasoningText, output] = await Promise.all([
    stream.text,
    stream.usage,
    stream.finishReason,
    stream.steps,
    stream.reasoningText,
    asked.output ? stream.output : undefined,
  ]);
  return { text, usage, finishReason, steps, reasoningText, output, response: await stream.response, parts };
};

for (const isStreamed of [false, true]) {
  const as = isStreamed ? 'streamed' : 'whole';
  await check(`text, usage, finish reason, ${as}`, async () => {
    const { text, usage, finishReason } = await answerTo(isStreamed, { system: 'Be brief.', prompt: 'Hi' });
    equal([text, finishReason, usage.outputTokens], [SAID, 'stop', 5]);
    match(String(usage.inputTokens), /^[1-9]/);
  });
  await check(`cut by its limit, ${as}`, async () => {
    equal((await answerTo(isStreamed, { prompt: 'Be long.' })).finishReason, 'length');
  });
  await check(`two tools at once, their results, a third turn, ${as}`, async () => {
    const asked = { tools: { weather }, stopWhen: isStepCount(4) };
    const messages = [{ role: 'user', content: 'Weather?' }];
    const first = await answerTo(isStreamed, { ...asked, messages });
    const calls = first.steps[0].toolCalls.map(({ input }) => input.city);
    equal([calls, first.steps[0].finishReason], [['Köln', 'Bonn'], 'tool-calls']);
    match(first.text, /^The tools said: "?rain in Köln"?, "?rain in Bonn"?$/);
    const again = await answerTo(isStreamed, {
      ...asked,
      messages: [...messages, ...first.response.messages, { role: 'user', content: 'And now?' }],
    });
    equal(again.steps[0].toolCalls.length, 2);
    match(again.text, /rain in Bonn/);
  });
  await check(`structured output, ${as}`, async () => {
    equal((await answerTo(isStreamed, { prompt: 'x', output: Output.object({ schema }) })).output, { city: 'Köln' });
  });
  await check(`reasoning, ${as}`, async () => {
    const { reasoningText, text } = await answerTo(isStreamed, {
      prompt: 'think',
      ...(thinking && { providerOptions: thinking }),
    });
    equal([reasoningText, text], ['Hm, well.', SAID]);
  });
  await check(`pictures, ${as}`, async () => {
    const picture = { type: 'file', mediaType: 'image/png', data };
    const content = [picture, { type: 'text', text: 'What?' }, picture];
    equal((await answerTo(isStreamed, { messages: [{ role: 'user', content }] })).text, 'I see 2 pictures.');
  });
}
await check('an abort', async () => {
  const controller = new AbortController();
  const stream = streamText({ ...given, prompt: 'wait', abortSignal: controller.signal, onError: () => {} });
  let text = '';
  let isAborted = false;
  for await (const part of stream.fullStream) {
    if (part.type === 'text-delta') {
      text += part.text;
      controller.abort();
    }
    isAborted ||= part.type === 'abort';
  }
  equal([isAborted, text.length < SAID.length], [true, true]);
});
await check("the worker's own error", () => throws(() => answerTo(false, { prompt: 'fail' }), /own words/));
if (!isDeaf) await check('a stream that breaks off', () => throws(() => answerTo(true, { prompt: 'break' }), /./));
