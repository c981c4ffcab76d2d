import { existsSync } from 'node:fs';
import type { Platform } from './platform.ts';
import { NOT_BUILT } from './setup/ric-packages.js';

export interface BannerOptions {
  platform: Platform;
  /** Names of the functions that have a URL of their own. */
  functions: readonly string[];
  /** Node ids of the demo workers; none when the user's own workers serve. */
  demoWorkers: readonly string[];
  /** Model ids to show in the examples. */
  chatModel: string;
  embeddingsModel: string | undefined;
  /** Whether the fleet may serve an operation; what it cannot is not shown. */
  serves: (operation: 'messages' | 'ollama_chat') => boolean;
  needsKey: boolean;
  exposesNode: boolean;
  /** Whether AWS's own runtime client is being built meanwhile. */
  isRicComing: boolean;
}

const COMING_NOTICE = 'our own small client, until aws-lambda-ric is built beside it (a minute or two, once)';
const clientNotice = () => {
  if (process.platform !== 'linux')
    return `our own small client, for aws-lambda-ric does not build on ${process.platform}`;
  const advice = existsSync(NOT_BUILT)
    ? `${NOT_BUILT} says why; remove it to try again`
    : 'install build-essential cmake python3 xz-utils (Debian) and start again';
  return `our own small client, for aws-lambda-ric is not built here: ${advice}`;
};

/** What is served where, and how to try it: printed once `/readyz` says yes. */
export const banner = (options: BannerOptions): string => {
  const { platform, functions, demoWorkers, chatModel, embeddingsModel, serves, needsKey, exposesNode } = options;
  const ownClient = options.isRicComing ? COMING_NOTICE : clientNotice();
  const { origin } = platform;
  const key = needsKey ? ` -H "Authorization: Bearer $LOCALAI_API_KEY"` : '';
  const post = (path: string, body: object) =>
    `  curl -iN ${origin}${path}${key} -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
  const messages = [{ role: 'user', content: 'Once upon a time' }];
  return [
    '',
    `LocalAI Lambda gateway: ${origin}`,
    `  runtime   ${platform.runtime === 'ric' ? 'aws-lambda-ric, Lambda\u2019s own' : ownClient}, Node ${process.version}`,
    demoWorkers.length > 0
      ? `  workers   ${demoWorkers.join(', ')}: embedded demo workers; set LOCALAI_WORKERS to your own`
      : `  workers   curl -s ${origin}/api/nodes${key}`,
    ...functions.map(
      (name, at) => `  ${at === 0 ? 'functions' : '         '} ${name.padEnd(10)} ${platform.urlOf(name)}`,
    ),
    `  header    X-LocalAI-Node is ${exposesNode ? 'on' : 'off: LOCALAI_EXPOSE_NODE_HEADER=true turns it on'}`,
    '',
    post('/v1/chat/completions', { model: chatModel, stream: true, messages }),
    ...(serves('messages') ? [post('/v1/messages', { model: chatModel, max_tokens: 64, stream: true, messages })] : []),
    ...(serves('ollama_chat') ? [post('/api/chat', { model: chatModel, messages })] : []),
    ...(embeddingsModel ? [post('/v1/embeddings', { model: embeddingsModel, input: ['a cat', 'a kitten'] })] : []),
    `  curl -s ${origin}/v1/models${key}`,
    '',
    'Ctrl-C ends it.',
  ].join('\n');
};
