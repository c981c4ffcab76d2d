import {
  assistantMessage,
  contentOf,
  imagePart,
  jsonSchemaFormat,
  type Part,
  settled,
  textPart,
  toolCall,
  toolMessages,
} from './chat-messages.ts';
import { commonFields, thinkingFields } from './chat-request.ts';
import { isObject, listOf, numberOf, objectOf, only, textOf } from './fields.ts';
import { type Asked, type Fields, UntranslatableError } from './translation.ts';

/** Ollama's images are bare base64; the first bytes tell which kind they are. */
const SIGNATURES: readonly (readonly [string, string])[] = [
  ['iVBOR', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
  ['Qk', 'image/bmp'],
];

const imageUrl = (image: string): string => {
  if (/^(?:data:|https?:)/.test(image)) return image;
  const type = SIGNATURES.find(([start]) => image.startsWith(start))?.[1] ?? 'image/jpeg';
  return `data:${type};base64,${image}`;
};

const imagesOf = (images: unknown, at: string): readonly Part[] =>
  listOf(images).map((image, i) => {
    if (typeof image !== 'string') throw new UntranslatableError(`${at}images[${i}]`, 'must be base64.');
    return imagePart(imageUrl(image));
  });

const partsOf = ({ content, images }: Fields, at = ''): readonly Part[] => [
  ...(textOf(content) === undefined ? [] : [textPart(String(content))]),
  ...imagesOf(images, at && `${at}.`),
];

/** A call that a `tool` message may still answer. */
interface OpenCall {
  readonly id: string;
  readonly name: string;
}

/** Most of Ollama's clients know no ids: a result belongs to the first open call of its name, else to the first. */
const createCalls = () => {
  let open: readonly OpenCall[] = [];
  return {
    ask(call: OpenCall) {
      open = [...open, call];
    },
    answer({ tool_call_id: id, tool_name: name, name: oldName }: Fields, orphan: string): string {
      const wanted = textOf(name) ?? textOf(oldName);
      const call =
        open.find((one) => one.id === id) ??
        (textOf(id) === undefined ? (open.find((one) => one.name === wanted) ?? open[0]) : undefined);
      open = open.filter((one) => one !== call);
      return call?.id ?? textOf(id) ?? orphan;
    },
  };
};

/** Ollama does not mind how it is written. */
const roleOf = (message: unknown): string => (textOf(objectOf(message).role) ?? 'user').toLowerCase();

/** @returns Ollama's messages as chat messages. @throws {UntranslatableError} */
const messagesOf = (given: unknown): readonly Fields[] => {
  if (given !== undefined && given !== null && !Array.isArray(given)) {
    throw new UntranslatableError('messages', 'must be an array.');
  }
  const messages = listOf(given);
  const calls = createCalls();
  const out: Fields[] = [];
  for (let i = 0; i < messages.length; i += 1) {
    const message = objectOf(messages[i]);
    const at = `messages[${i}]`;
    const role = roleOf(message);
    if (role === 'assistant') {
      const asked = listOf(message.tool_calls).map((call, n) => {
        const { id, function: called } = objectOf(call);
        const { name, arguments: args } = objectOf(called);
        const known = { id: textOf(id) ?? `call_${i}_${n}`, name: textOf(name) ?? '' };
        calls.ask(known);
        return toolCall(known.id, known.name, typeof args === 'string' ? args : JSON.stringify(args ?? {}));
      });
      out.push(
        assistantMessage({ reasoning: textOf(message.thinking) ?? '', parts: partsOf(message, at), calls: asked }),
      );
    } else if (role === 'tool') {
      // The results of parallel calls stand together.
      const results = [];
      for (; i < messages.length && roleOf(messages[i]) === 'tool'; i += 1) {
        const result = objectOf(messages[i]);
        const callId = calls.answer(result, `call_${i}`);
        results.push({ callId, parts: partsOf(result, `messages[${i}]`), isError: false });
      }
      i -= 1;
      out.push(...toolMessages(results));
    } else out.push({ role, content: contentOf(partsOf(message, at)) });
  }
  return settled(out);
};

/** Sampling that chat completions call the same; llama.cpp and vLLM read those that OpenAI does not have. */
const SAME = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'typical_p',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'repeat_last_n',
  'mirostat',
  'mirostat_tau',
  'mirostat_eta',
];

/** What is left out only tunes the server (`num_ctx`, `num_gpu`, ...): it loaded its model when it started. */
const optionFields = (options: Fields): Fields => {
  const limit = numberOf(options.num_predict);
  const penalty = options.repeat_penalty;
  const stop = typeof options.stop === 'string' ? [options.stop] : listOf(options.stop);
  return {
    ...only(options, ...SAME),
    // Negative: as many as there is room for.
    ...(limit !== undefined && limit > 0 && { max_tokens: limit }),
    ...(stop.length > 0 && { stop }),
    // llama.cpp's name, and vLLM's.
    ...(numberOf(penalty) !== undefined && { repeat_penalty: penalty, repetition_penalty: penalty }),
  };
};

const formatFields = (format: unknown): Fields => {
  if (format === undefined || format === null || format === '') return {};
  if (format === 'json') return { response_format: { type: 'json_object' } };
  if (isObject(format)) return { response_format: jsonSchemaFormat(format) };
  throw new UntranslatableError('format', "must be 'json' or a JSON schema.");
};

/** @returns whether the client wants no thinking in the answer. */
export const isThoughtless = ({ think }: Fields): boolean => think === false;

const thinkFields = (think: unknown, engine: string): Fields => {
  if (typeof think === 'boolean') return thinkingFields({ isOn: think }, engine);
  return typeof think === 'string' ? thinkingFields({ isOn: true, effort: think }, engine) : {};
};

const refuse = (body: Fields) => {
  const isSaid: Readonly<Record<string, (value: unknown) => boolean>> = {
    raw: (value) => value === true,
    suffix: (value) => textOf(value) !== undefined,
    template: (value) => textOf(value) !== undefined,
    context: (value) => listOf(value).length > 0,
  };
  for (const [field, says] of Object.entries(isSaid)) {
    if (says(body[field])) throw new UntranslatableError(field, 'has no counterpart in chat completions.');
  }
};

/** `generate` asks with one prompt and no turns. */
const promptMessages = ({ system, prompt, images }: Fields): readonly Fields[] => [
  ...(textOf(system) === undefined ? [] : [{ role: 'system', content: system }]),
  { role: 'user', content: contentOf(partsOf({ content: prompt, images })) },
];

/** @returns the chat completions request for one of `/api/chat` or `/api/generate`. @throws {UntranslatableError} */
export const chatRequest = (asked: Asked): Fields => {
  const { body, engine, operation } = asked;
  refuse(body);
  const tools = listOf(body.tools).map((tool) => ({ type: 'function', ...only(objectOf(tool), 'function') }));
  return {
    ...commonFields(asked),
    messages: operation === 'ollama_generate' ? promptMessages(body) : messagesOf(body.messages),
    ...(tools.length > 0 && { tools }),
    ...optionFields(objectOf(body.options)),
    ...formatFields(body.format),
    ...thinkFields(body.think, engine),
    ...(body.logprobs === true && { logprobs: true, ...only(body, 'top_logprobs') }),
  };
};
