import { type StandIn, type StandInOptions, startWorker, type Treatment } from './stand-in-worker.ts';
import { jsonAnswer, wordsOf } from './worker/answer.ts';
import { type Behaviour, reply } from './worker/behaviours.ts';
import { type Accent, chatAnswer, type Spoken } from './worker/chat.ts';
import type { RecordedRequest } from './worker/recording.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Message {
  readonly role: string;
  readonly content: unknown;
  readonly tool_call_id?: string;
}

export interface ChatWorkerOptions extends Omit<StandInOptions, 'engine'> {
  /** Default `vllm`. */
  readonly accent?: Accent;
  /** What the gateway takes it for; default `openai`, which has no dialect but OpenAI's. */
  readonly engine?: StandInOptions['engine'];
  /** What the model says; default: what the conversation calls for. */
  readonly speak?: (fields: Fields) => Spoken;
}

const messagesOf = ({ messages }: Fields) => messages as readonly Message[];

const textOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : ((content ?? []) as { text?: string }[]).map(({ text = '' }) => text).join(' ');

/** A prompt's size as this server counts it: words of everything that its template would print. */
const promptTokens = ({ messages, tools }: Fields): number => JSON.stringify({ messages, tools }).split(/\W+/).length;

const picturesIn = (fields: Fields): number =>
  messagesOf(fields)
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .filter(({ type }) => type === 'image_url').length;

const cityPieces = (city: string) => ['{"ci', `ty":"${city}"`, '}'];

/**
 * A model with manners: it thinks where it is asked to, calls the first tool it is given for Köln and, if it may, for Bonn,
 * then says what the tools gave; it counts pictures, answers a schema with JSON, and is cut off where it is to be long.
 */
const conversation =
  (name: string) =>
  (fields: Fields): Spoken => {
    const messages = messagesOf(fields);
    const last = messages.at(-1);
    const [tool] = (fields.tools ?? []) as { function: { name: string } }[];
    const counted = { promptTokens: promptTokens(fields) };
    if (last?.role === 'tool') {
      const results = messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content));
      return { ...counted, content: ['The tools said: ', results.join(', ')] };
    }
    if (picturesIn(fields) > 0) return { ...counted, content: [`I see ${picturesIn(fields)} pictures.`] };
    if (tool) {
      const cities = fields.parallel_tool_calls === false ? ['Köln'] : ['Köln', 'Bonn'];
      const calls = cities.map((city, at) => ({
        id: `call_${messages.length}_${at}`,
        name: tool.function.name,
        pieces: cityPieces(city),
      }));
      return { ...counted, reasoning: ['Two ', 'cities.'], calls };
    }
    if (fields.response_format) return { ...counted, content: ['{"city":', '"Köln"}'] };
    if (textOf(last?.content).includes('think')) {
      return { ...counted, reasoning: ['Hm, ', 'well.'], content: wordsOf(name) };
    }
    return { ...counted, content: wordsOf(name), ...(textOf(last?.content).includes('long') && { finish: 'length' }) };
  };

/** How answers are treated besides; a function is told the request's fields. */
type Treated = Behaviour | ((fields: Fields) => Behaviour | undefined) | undefined;

const pathOf = ({ path }: RecordedRequest) => path.split('?', 1)[0];

/** A worker that speaks OpenAI's chat and embeddings and nothing else, the way vLLM and llama.cpp do. */
export const startChatWorker = async (
  options: ChatWorkerOptions,
): Promise<StandIn & { readonly treat: (treated: Treated) => void }> => {
  const { accent = 'vllm', engine = 'openai', name, speak = conversation(name) } = options;
  const worker = await startWorker({ ...options, engine });
  let treated: Treated;
  const treatment: Treatment = (request) => {
    if (request.method !== 'POST') return undefined;
    const path = pathOf(request);
    const { fields } = request;
    const extra = typeof treated === 'function' ? treated(fields) : treated;
    if (path === '/v1/chat/completions') {
      const change: Behaviour['change'] = (answer) => {
        if (answer.status !== 200) return answer;
        const said = chatAnswer(fields, speak(fields), { accent, name });
        return extra?.change?.(said) ?? said;
      };
      return { ...extra, change };
    }
    if (path === '/v1/embeddings') return extra;
    if (path === '/tokenize' && accent === 'vllm') {
      const count = promptTokens(fields);
      const tokens = Array.from({ length: count }, (_, at) => at);
      return { change: () => jsonAnswer({ count, max_model_len: 4096, tokens, token_strs: null }) };
    }
    // FastAPI's words for a path that it does not know, and llama.cpp's.
    return accent === 'vllm'
      ? reply(404, { detail: 'Not Found' })
      : reply(404, { error: { code: 404, message: 'File Not Found', type: 'not_found_error' } });
  };
  worker.behave(treatment);
  const { reset } = worker;
  return Object.assign(worker, {
    reset: () => {
      reset();
      treated = undefined;
      worker.behave(treatment);
    },
    treat: (next: Treated) => {
      treated = next;
    },
  });
};
