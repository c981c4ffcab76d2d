import { type Answer, type Asked, jsonAnswer } from './answer.ts';
import { anthropicAnswer } from './anthropic.ts';
import { mediaAnswer } from './media.ts';
import { ollamaAnswer } from './ollama.ts';
import { openaiAnswer } from './openai.ts';

const missing = ({ path }: Asked, model: string): Answer => {
  const message = `model '${model}' not found`;
  if (path.startsWith('/api/')) return jsonAnswer({ error: message }, 404);
  if (path.startsWith('/v1/messages')) {
    return jsonAnswer({ type: 'error', error: { type: 'not_found_error', message } }, 404);
  }
  return jsonAnswer({ error: { message, type: 'invalid_request_error', code: 404, param: 'model' } }, 404);
};

const isListed = ({ models }: Asked, model: string): boolean => {
  const bare = (id: string) => id.replace(/:latest$/, '');
  return models.includes('*') || models.some((id) => bare(id) === bare(model));
};

/** What a worker says to an inference request: an unlisted model and an unknown path are 404. */
export const answerTo = (asked: Asked): Answer => {
  const { model } = asked.fields;
  if (asked.method === 'POST' && typeof model === 'string' && !isListed(asked, model)) return missing(asked, model);
  const found = openaiAnswer(asked) ?? anthropicAnswer(asked) ?? ollamaAnswer(asked) ?? mediaAnswer(asked);
  return found ?? jsonAnswer({ error: { message: `no ${asked.path} here`, type: 'not_found', code: 404 } }, 404);
};
