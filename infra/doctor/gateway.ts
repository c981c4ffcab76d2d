/** The gateway under examination. */
export interface Gateway {
  /** Base URL, no trailing slash. */
  readonly url: string;
  readonly key: string | undefined;
  readonly adminKey: string | undefined;
}

/** A piece of a response body as it arrived. */
export interface Arrival {
  /** `performance.now()`. */
  readonly at: number;
  readonly text: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly arrivals: readonly Arrival[];
  readonly text: string;
  /** False when the connection broke before the body's end. */
  readonly isComplete: boolean;
}

export interface AskOptions {
  readonly body?: object;
  /** Instead of the gateway's own key; `null`: none. */
  readonly key?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

const PATIENCE_MS = 60_000;

/** @returns the whole answer, with when each piece of it came. @throws when nothing answers within a minute. */
export const ask = async (gateway: Gateway, path: string, { body, key, headers }: AskOptions = {}): Promise<Answer> => {
  const shown = key === undefined ? gateway.key : key;
  const response = await fetch(gateway.url + path, {
    method: body ? 'POST' : 'GET',
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(shown && { authorization: `Bearer ${shown}` }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const arrivals: Arrival[] = [];
  const decoder = new TextDecoder();
  let isComplete = true;
  try {
    for await (const chunk of response.body ?? []) {
      arrivals.push({ at: performance.now(), text: decoder.decode(chunk, { stream: true }) });
    }
  } catch {
    isComplete = false;
  }
  const text = arrivals.map((arrival) => arrival.text).join('');
  return { status: response.status, headers: response.headers, arrivals, text, isComplete };
};

/** @returns the ids of `GET /v1/models`, none when it does not answer with a list. */
export const listModels = async (gateway: Gateway): Promise<readonly string[]> => {
  const { status, text } = await ask(gateway, '/v1/models');
  if (status !== 200) return [];
  const { data = [] } = JSON.parse(text) as { data?: { id: string }[] };
  return data.map(({ id }) => id);
};
