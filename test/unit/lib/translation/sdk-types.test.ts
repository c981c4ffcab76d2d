import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { translation as anthropicChat } from '../../../../lib/translation/anthropic-chat.ts';
import { translation as ollamaChat } from '../../../../lib/translation/ollama-chat.ts';
import { translation as ollamaEmbeddings } from '../../../../lib/translation/ollama-embeddings.ts';
import { translation as responsesChat } from '../../../../lib/translation/responses-chat.ts';
import type { Fields, Translation } from '../../../../lib/translation/translation.ts';
import { askedFor, eventsIn, linesIn } from './asked.ts';
import {
  chatStream,
  completion,
  messagesRequest,
  ollamaChatRequest,
  ollamaEmbedRequest,
  ollamaGenerateRequest,
  responsesRequest,
} from './generated.ts';

/**
 * The types of the official SDKs decide: what clients may ask (so that the generators mean something), what it becomes
 * for the worker, and what workers' answers become for the client, all written out as literals and given to the compiler.
 */
const root = fileURLToPath(new URL('../../../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sdk-types-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TYPES = `
import type Anthropic from '@anthropic-ai/sdk';
import type * as Ollama from 'ollama';
import type OpenAI from 'openai';

type Assistant = OpenAI.ChatCompletionAssistantMessageParam & { reasoning?: string; reasoning_content?: string };
type Message = Exclude<OpenAI.ChatCompletionMessageParam, { role: 'assistant' }> | Assistant;
/** What vLLM and llama.cpp take beside OpenAI's own. */
interface Extras {
  top_k?: number; min_p?: number; repeat_last_n?: number; repeat_penalty?: number; repetition_penalty?: number;
  chat_template_kwargs?: { enable_thinking: boolean }; thinking_budget_tokens?: number;
  stream_options?: { include_usage: boolean; continuous_usage_stats?: boolean };
  continue_final_message?: boolean; add_generation_prompt?: boolean;
}
type Strict<T> = { [K in keyof T as string extends K ? never : K]: T[K] };
export type Chat = Omit<Strict<OpenAI.ChatCompletionCreateParamsNonStreaming>, 'messages' | 'stream' | 'stream_options'> & Extras & {
  messages: Message[]; stream?: boolean;
};
export type Embedding = OpenAI.EmbeddingCreateParams & { truncate_prompt_tokens?: number };

/** Older models take them; the types have them no more. */
export type AskMessages = Anthropic.MessageCreateParams & { temperature?: number; top_p?: number; top_k?: number };
export type AskOllamaChat = Ollama.ChatRequest;
export type AskOllamaGenerate = Ollama.GenerateRequest;
export type AskOllamaEmbed = Ollama.EmbedRequest;
export type AskResponses = OpenAI.Responses.ResponseCreateParams;

export type MessagesAnswer = Anthropic.Message;
export type MessagesEvent = Anthropic.RawMessageStreamEvent | { type: 'ping' };
/** Dates are text on the wire, and only the last line has the counts. */
type Wire<T> = Omit<T, 'created_at'> & { created_at: string };
/** Ollama says more than its SDK's types. */
type Call = { id: string; function: Ollama.ToolCall['function'] & { index: number } };
export type OllamaChatAnswer = Omit<Wire<Ollama.ChatResponse>, 'message'> & {
  message: Omit<Ollama.Message, 'tool_calls'> & { tool_calls?: Call[] };
};
export type OllamaGenerateAnswer = Omit<Wire<Ollama.GenerateResponse>, 'context'> & { tool_calls?: Call[] };
type Line<T extends { done: boolean }> = (T & { done: true }) | (Pick<T, Extract<keyof T, 'model' | 'created_at' | 'message' | 'response' | 'thinking' | 'logprobs' | 'tool_calls'>> & { done: false });
export type OllamaChatEvent = Line<OllamaChatAnswer>;
export type OllamaGenerateEvent = Line<OllamaGenerateAnswer>;
export type OllamaEmbedAnswer = Ollama.EmbedResponse;
/** One field is added by the SDK, one is missing there. */
export type ResponsesAnswer = Omit<OpenAI.Responses.Response, 'output_text'> & { store: boolean };
type OnWire<E> = E extends { response: unknown } ? Omit<E, 'response'> & { response: ResponsesAnswer } : E;
/** Older SDKs have the name in it. */
type Named = OpenAI.Responses.ResponseFunctionCallArgumentsDoneEvent & { name: string };
export type ResponsesEvent = OnWire<OpenAI.Responses.ResponseStreamEvent> | Named;
`;

const RUNS = 60;
const engines = ['openai', 'vllm', 'llamacpp'];
const isUntranslatable = (error: unknown) => error instanceof Error && 'field' in error;

interface Case {
  readonly name: string;
  readonly operation: string;
  readonly translation: Translation;
  readonly requests: fc.Arbitrary<Fields>;
  readonly asks: 'Chat' | 'Embedding';
}
const cases: readonly Case[] = [
  { name: 'Messages', operation: 'messages', translation: anthropicChat, requests: messagesRequest, asks: 'Chat' },
  { name: 'OllamaChat', operation: 'ollama_chat', translation: ollamaChat, requests: ollamaChatRequest, asks: 'Chat' },
  {
    name: 'OllamaGenerate',
    operation: 'ollama_generate',
    translation: ollamaChat,
    requests: ollamaGenerateRequest,
    asks: 'Chat',
  },
  {
    name: 'OllamaEmbed',
    operation: 'ollama_embed',
    translation: ollamaEmbeddings,
    requests: ollamaEmbedRequest,
    asks: 'Embedding',
  },
  { name: 'Responses', operation: 'responses', translation: responsesChat, requests: responsesRequest, asks: 'Chat' },
];
const embeddings = {
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.1] }],
  usage: { prompt_tokens: 1, total_tokens: 1 },
};

test.each(cases)(
  '$name',
  async ({ name, operation, translation, requests, asks }) => {
    const seed = Date.now() % 2 ** 31;
    const sample = <T>(arbitrary: fc.Arbitrary<T>) => fc.sample(arbitrary, { seed, numRuns: RUNS });
    const asked = sample(requests).map((body, i) =>
      askedFor(operation, body, { engine: engines[i % engines.length] ?? '' }),
    );
    const literal = (type: string, value: unknown) =>
      `{ const value: T.${type} = ${JSON.stringify(value)}; use(value); }`;

    const becoming = asked.flatMap((one) => {
      try {
        return [literal(asks, translation.request(one))];
      } catch (error) {
        if (isUntranslatable(error)) return [];
        throw error;
      }
    });
    const answers = asks === 'Chat' ? sample(completion) : [embeddings];
    const given = answers.map((answer, i) =>
      literal(`${name}Answer`, translation.response(answer, asked[i] ?? askedFor(operation, {}))),
    );
    const events = !translation.stream
      ? []
      : sample(chatStream).flatMap(({ bytes }, i) => {
          const stream = translation.stream?.(asked[i] ?? askedFor(operation, {}));
          const chunks = bytes
            .toString()
            .split(/\r?\n/)
            .filter((line) => line.startsWith('data: {'));
          const text =
            chunks.map((chunk) => stream?.event(JSON.parse(chunk.slice(6))) ?? '').join('') + (stream?.end(true) ?? '');
          const read = operation.startsWith('ollama') ? linesIn : eventsIn;
          return read(text).map((event) => literal(`${name}Event`, event));
        });
    const ask = asked.map(({ body }) => literal(`Ask${name}`, body));
    // The same literal need not be looked at twice.
    const lines = [...new Set([...ask, ...becoming, ...given, ...events])];
    expect(becoming.length).toBeGreaterThan(RUNS / 2);

    const here = join(folder, name);
    rmSync(here, { recursive: true, force: true });
    const at = mkdtempSync(join(folder, `${name}-`));
    symlinkSync(join(root, 'node_modules'), join(at, 'node_modules'));
    writeFileSync(join(at, 'package.json'), '{"type":"module"}');
    writeFileSync(join(at, 'types.ts'), TYPES);
    writeFileSync(
      join(at, 'all.ts'),
      `import type * as T from './types.ts';\nconst use = (_: unknown) => {};\n${lines.join('\n')}\n`,
    );
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--module', 'nodenext'];
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const { stdout } = await promisify(execFile)(tsc, [...flags, '--target', 'esnext', '--types', '', 'all.ts'], {
      cwd: at,
      maxBuffer: 1e8,
    }).catch((error: { stdout: string }) => error);
    const [, line] = /all\.ts\((\d+)/.exec(stdout) ?? [];
    expect([stdout.slice(0, 1500), line === undefined ? '' : `seed ${seed}: ${lines[Number(line) - 3]}`]).toEqual([
      '',
      '',
    ]);
  },
  60_000,
);
