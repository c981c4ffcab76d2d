import { countOf, tokenizeRequest } from './anthropic-request.ts';
import type { Translation } from './translation.ts';

/**
 * Anthropic's token counting on vLLM's `/tokenize`, which renders the same chat template as its chat completions.
 * Source: Anthropic API reference, "Count tokens in a Message"; vLLM `vllm/entrypoints/serve/tokenize`.
 */
export const translation: Translation = {
  request: tokenizeRequest,
  response: (answer) => ({ input_tokens: countOf(answer) }),
};
