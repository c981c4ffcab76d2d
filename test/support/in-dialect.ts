/** Anthropic's own error types (API reference, "Errors"). */
export const anthropicTypes = new Set([
  'invalid_request_error',
  'authentication_error',
  'billing_error',
  'permission_error',
  'not_found_error',
  'request_too_large',
  'rate_limit_error',
  'api_error',
  'timeout_error',
  'overloaded_error',
]);

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/**
 * What docs/contract.md section 5 says of an error body, as a plain question: for loads too large for one assertion each.
 * @returns what is wrong with an error body in a dialect; `undefined` when nothing is.
 */
export const problemOf = (dialect: string, text: string): string | undefined => {
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return 'no JSON';
  }
  const keys = (value: unknown) => Object.keys(Object(value)).sort().join();
  if (dialect === 'ollama') return keys(body) === 'error' && isText(body.error) ? undefined : 'not {"error":"..."}';
  const error = body.error as Record<string, unknown> | undefined;
  if (!isText(error?.message) || !isText(error.type)) return 'no message or type';
  if (dialect === 'anthropic') {
    if (body.type !== 'error' || keys(body) !== 'error,request_id,type') return 'not an Anthropic error';
    if (keys(error) !== 'message,type' || !anthropicTypes.has(error.type)) return `type ${error.type}`;
  } else if (keys(body) !== 'error' || keys(error) !== 'code,message,param,type') return 'not an OpenAI error';
  return /\bat .+:\d+:\d+|node_modules|index\.cjs/.test(error.message) ? 'a stack trace' : undefined;
};
