/** What clients call a key in a query: none of them is read here, and none reaches a worker. */
const CREDENTIALS: ReadonlySet<string> = new Set(['key', 'api_key', 'api-key', 'apikey', 'access_token']);

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
};

const nameOf = (parameter: string): string => decode(parameter.split('=', 1)[0] as string);

const isModel = (parameter: string): boolean => nameOf(parameter) === 'model';

/** @returns the query as sent, but for credentials. */
export const withoutCredentials = (query: string): string =>
  query.split('&').filter((parameter) => !CREDENTIALS.has(nameOf(parameter).toLowerCase())).join('&'); // biome-ignore format: one line

/** @returns the model that a query names, as LocalAI reads it: the first one, unless that is empty. */
export const modelIn = (query: string): string | undefined => {
  const parameter = query.split('&').find(isModel);
  return decode(parameter?.slice(parameter.indexOf('=') + 1 || parameter.length) ?? '') || undefined;
};

/** @returns the query with every model in it replaced. */
export const withModel = (query: string, model: string): string =>
  query.split('&').map((one) => (isModel(one) ? `model=${encodeURIComponent(model)}` : one)).join('&'); // biome-ignore format: one line

/**
 * @returns the query's part of a request target, empty where there is none. What may not stand there (RFC 3986 3.4) is
 *   encoded, so that no client can break the request line.
 */
export const targetQuery = (query: string): string =>
  query && `?${query.toWellFormed().replace(/[^\x21\x22\x24-\x7e]/gu, encodeURIComponent)}`;
