// @ts-nocheck: its packages are installed where it runs (run.ts).
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { check, equal, KEY, match, ORIGIN, PICTURE, SAID, throws } from './checks.js';

/** `node langchain.js <package>`: what LangChain's chat models make of a worker that speaks OpenAI's chat completions only. */
const headers = { authorization: `Bearer ${KEY}` };
const packages = {
  '@langchain/openai': async (name) => {
    const { ChatOpenAI } = await import(name);
    const given = { model: 'test-model', apiKey: KEY, maxRetries: 0, zdrEnabled: true };
    return new ChatOpenAI({ ...given, useResponsesApi: true, configuration: { baseURL: `${ORIGIN}/v1` } });
  },
  '@langchain/anthropic': async (name) => {
    const { ChatAnthropic } = await import(name);
    return new ChatAnthropic({ model: 'test-model', apiKey: KEY, maxRetries: 0, anthropicApiUrl: ORIGIN });
  },
  '@langchain/ollama': async (name) => {
    const { ChatOllama } = await import(name);
    return new ChatOllama({ model: 'test-model', baseUrl: ORIGIN, headers, think: true });
  },
};
const [, , which] = process.argv;
const model = await packages[which](which);
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather = tool(({ city }) => `rain in ${city}`, {
  name: 'weather',
  description: 'Tells it.',
  schema: parameters,
});

const answerTo = async (isStreamed, runnable, messages, options) => {
  if (!isStreamed) return runnable.invoke(messages, options);
  let whole;
  for await (const chunk of await runnable.stream(messages, options)) whole = whole ? whole.concat(chunk) : chunk;
  return whole;
};
const reasonOf = ({ response_metadata: said, additional_kwargs: more }) =>
  said.stop_reason ?? more.stop_reason ?? said.done_reason ?? said.incomplete_details?.reason ?? said.status;
const resultsFor = ({ tool_calls: calls }) =>
  Promise.all(
    calls.map(
      async (call) =>
        new ToolMessage({ content: await weather.invoke(call.args), tool_call_id: call.id, name: call.name }),
    ),
  );

for (const isStreamed of [false, true]) {
  const as = isStreamed ? 'streamed' : 'whole';
  await check(`text, usage, stop reason, ${as}`, async () => {
    const answer = await answerTo(isStreamed, model, [new SystemMessage('Be brief.'), new HumanMessage('Hi')]);
    equal([answer.text, answer.usage_metadata.output_tokens], [SAID, 5]);
    // It reads them of a stream's first event; servers of chat completions know them by the last.
    if (!isStreamed || which !== '@langchain/anthropic') match(String(answer.usage_metadata.input_tokens), /^[1-9]/);
    match(reasonOf(answer), /^(?:end_turn|stop|completed)$/);
  });
  await check(`cut by its limit, ${as}`, async () => {
    const answer = await answerTo(isStreamed, model, [new HumanMessage('Be long.')]);
    match(reasonOf(answer), /^(?:max_tokens|length|max_output_tokens)$/);
  });
  await check(`two tools at once, their results, a third turn, ${as}`, async () => {
    const able = model.bindTools([weather]);
    const messages = [new HumanMessage('Weather?')];
    const first = await answerTo(isStreamed, able, messages);
    equal(
      first.tool_calls.map(({ args }) => args.city),
      ['Köln', 'Bonn'],
    );
    messages.push(first, ...(await resultsFor(first)));
    const second = await answerTo(isStreamed, able, messages);
    equal(second.text, 'The tools said: rain in Köln, rain in Bonn');
    messages.push(second, new HumanMessage('And now?'));
    equal((await answerTo(isStreamed, able, messages)).tool_calls.length, 2);
  });
  await check(`pictures, ${as}`, async () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE.toString('base64')}` } };
    const message = new HumanMessage({ content: [image, { type: 'text', text: 'What?' }, image] });
    equal((await answerTo(isStreamed, model, [message])).text, 'I see 2 pictures.');
  });
  await check(`reasoning, ${as}`, async () => {
    const answer = await answerTo(isStreamed, model, [new HumanMessage('think')]);
    match(JSON.stringify(answer), /Hm, well\./);
    equal(answer.text, SAID);
  });
}
await check('structured output', async () => {
  const asked = model.withStructuredOutput({ title: 'place', description: 'A place.', ...parameters });
  equal(await asked.invoke('x'), { city: 'Köln' });
});
await check('an abort', async () => {
  const controller = new AbortController();
  let text = '';
  const read = async () => {
    for await (const chunk of await model.stream([new HumanMessage('wait')], { signal: controller.signal })) {
      text += chunk.text;
      if (text) controller.abort();
    }
  };
  await throws(read, /abort/i);
  equal(text.length < SAID.length, true);
});
await check("the worker's own error", () => throws(() => model.invoke('fail'), /own words/));
await check('a stream that breaks off', () => throws(() => answerTo(true, model, [new HumanMessage('break')]), /./));
