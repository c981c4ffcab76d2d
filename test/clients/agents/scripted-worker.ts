import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** A tool call the script wants made. */
interface Call {
  readonly name: string;
  readonly input: object;
}

/** What the next request for an answer meets. */
export type Fault = 'none' | 'cut' | 'silence';

export interface ScriptedWorker extends AsyncDisposable {
  readonly url: string;
  /** The next answer with tools in play is cut in its middle, or comes after 15 s, with 15 s more in it. */
  fault: Fault;
  /** It knows OpenAI's chat completions and no other path. */
  speaksChatOnly: boolean;
  /** Requests with tools, so far. */
  readonly turns: () => number;
}

interface Body {
  readonly stream?: boolean;
  readonly tools?: readonly { readonly name?: string; readonly function?: { readonly name: string } }[];
  readonly messages?: readonly { readonly role: string; readonly content?: unknown }[];
  readonly input?: readonly { readonly type?: string }[];
}

const SILENCE_MS = 15_000;
const DONE = 'Both tools have run.';

const namesOf = ({ tools = [] }: Body) => tools.map((tool) => tool.name ?? tool.function?.name ?? '');

/** How many tool results the conversation holds: what step of the task it is at. */
const resultsIn = ({ messages = [], input = [] }: Body): number =>
  messages.filter(({ role }) => role === 'tool').length +
  messages
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .filter((part: { type?: string }) => part?.type === 'tool_result').length +
  input.filter(({ type }) => type === 'function_call_output').length;

/** Writes a file with the agent's own tool, then reads it with another one. */
const callFor = (names: readonly string[], step: number, folder: string): Call | undefined => {
  const file = `${folder}/made.txt`;
  const has = (name: string) => names.includes(name);
  const shell = (command: string): Call | undefined => {
    if (has('exec_command')) return { name: 'exec_command', input: { cmd: command } };
    if (has('shell_command')) return { name: 'shell_command', input: { command } };
    if (has('shell')) return { name: 'shell', input: { command: ['bash', '-lc', command] } };
    if (has('Bash')) return { name: 'Bash', input: { command, description: 'reads it' } };
    return has('bash') ? { name: 'bash', input: { command, description: 'reads it' } } : undefined;
  };
  if (step === 0) {
    if (has('Write')) return { name: 'Write', input: { file_path: file, content: 'made by a tool\n' } };
    if (has('write')) return { name: 'write', input: { filePath: file, content: 'made by a tool\n' } };
    return shell(`printf 'made by a tool\\n' > ${file}`);
  }
  if (step > 1) return undefined;
  if (has('Read')) return { name: 'Read', input: { file_path: file } };
  return has('read') ? { name: 'read', input: { filePath: file } } : shell(`cat ${file}`);
};

const sse = (data: object | string, event?: string) =>
  `${event ? `event: ${event}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

/** A chat completion, whole. */
const completionOf = (call: Call | undefined): object => {
  const tool = call && { name: call.name, arguments: JSON.stringify(call.input) };
  const tool_calls = tool && [{ id: `call_${Date.now()}`, type: 'function', function: tool }];
  const message = { role: 'assistant', content: call ? null : DONE, ...(tool_calls && { tool_calls }) };
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'scripted',
    choices: [{ index: 0, message, finish_reason: call ? 'tool_calls' : 'stop' }],
    usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  };
};

const chatEvents = (call: Call | undefined): string[] => {
  const chunk = (delta: object, finish: string | null = null) =>
    sse({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'scripted',
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  const text = [chunk({ role: 'assistant', content: '' }), chunk({ content: DONE }), chunk({}, 'stop')];
  const tool = call && [
    chunk({ role: 'assistant', content: '' }),
    chunk({
      tool_calls: [
        { index: 0, id: `call_${Date.now()}`, type: 'function', function: { name: call.name, arguments: '' } },
      ],
    }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: JSON.stringify(call.input) } }] }),
    chunk({}, 'tool_calls'),
  ];
  return [...(tool ?? text), sse('[DONE]')];
};

const USAGE = { input_tokens: 9, output_tokens: 3 };

/** Anthropic's message, whole: what Claude Code asks for after a stream has broken. */
const messageOf = (call: Call | undefined): object => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'scripted',
  content: [
    call
      ? { type: 'tool_use', id: `toolu_${Date.now()}`, name: call.name, input: call.input }
      : { type: 'text', text: DONE },
  ],
  stop_reason: call ? 'tool_use' : 'end_turn',
  stop_sequence: null,
  usage: USAGE,
});

const messageEvents = (call: Call | undefined): string[] => {
  const typed = (data: { type: string }) => sse(data, data.type);
  const block = call
    ? { type: 'tool_use', id: `toolu_${Date.now()}`, name: call.name, input: {} }
    : { type: 'text', text: '' };
  const delta = call
    ? { type: 'input_json_delta', partial_json: JSON.stringify(call.input) }
    : { type: 'text_delta', text: DONE };
  const message = { ...messageOf(undefined), content: [], stop_reason: null };
  return [
    { type: 'message_start', message },
    { type: 'content_block_start', index: 0, content_block: block },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: call ? 'tool_use' : 'end_turn', stop_sequence: null },
      usage: USAGE,
    },
    { type: 'message_stop' },
  ].map(typed);
};

const responseEvents = (call: Call | undefined): string[] => {
  const item = call
    ? {
        type: 'function_call',
        id: 'fc_1',
        call_id: `call_${Date.now()}`,
        name: call.name,
        arguments: JSON.stringify(call.input),
        status: 'completed',
      }
    : {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: DONE, annotations: [] }],
      };
  const response = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model: 'scripted',
    status: 'in_progress',
    output: [] as object[],
  };
  const usage = {
    input_tokens: 9,
    output_tokens: 3,
    total_tokens: 12,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
  return [
    { type: 'response.created', response },
    { type: 'response.output_item.added', output_index: 0, item },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: { ...response, status: 'completed', output: [item], usage } },
  ].map((data, sequence_number) => sse({ ...data, sequence_number }, data.type));
};

const bodyOf = async (request: IncomingMessage): Promise<Body> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}') as Body;
};

/** A worker that has an agent write a file and read it again, whatever it is asked, in whichever dialect. */
export const startScriptedWorker = async (folder: string): Promise<ScriptedWorker> => {
  let turns = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    if (request.method === 'GET')
      return response.end(JSON.stringify({ object: 'list', data: [{ id: 'scripted', object: 'model' }] }));
    const body = await bodyOf(request);
    if (worker.speaksChatOnly && path !== '/v1/chat/completions') {
      response.writeHead(404, { 'content-type': 'application/json' });
      return response.end('{"detail":"Not Found"}');
    }
    if (path.includes('count_tokens')) return response.end('{"input_tokens":9}');
    const names = namesOf(body);
    const call = names.length > 0 ? callFor(names, resultsIn(body), folder) : undefined;
    const events = path.startsWith('/v1/messages')
      ? messageEvents(call)
      : path.startsWith('/v1/responses')
        ? responseEvents(call)
        : chatEvents(call);
    const fault = call ? worker.fault : 'none';
    if (call) {
      turns += 1;
      worker.fault = 'none';
    }
    if (!path.startsWith('/v1/responses') && body.stream !== true) {
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify(path.startsWith('/v1/messages') ? messageOf(call) : completionOf(call)));
    }
    if (fault === 'silence') await wait(SILENCE_MS);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [at, event] of events.entries()) {
      response.write(event);
      if (at > 0) continue;
      if (fault === 'silence') await wait(SILENCE_MS);
      if (fault === 'cut') return setTimeout(() => response.destroy(), 50);
    }
    return response.end();
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const worker: ScriptedWorker = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: 'none',
    speaksChatOnly: false,
    turns: () => turns,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return worker;
};
