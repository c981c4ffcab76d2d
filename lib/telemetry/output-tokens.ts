/** Every dialect says its usage within its last bytes. */
const TAIL_BYTES = 4096;
/** OpenAI's chat, its Responses and Anthropic, Ollama. */
const NAMES = ['"completion_tokens"', '"output_tokens"', '"eval_count"'];
const VALUE = /^\s*:\s*(\d+)/;

/** @returns the number behind the last place where one of the names has one. */
const lastCount = (text: string, before = text.length): number | undefined => {
  let at = -1;
  let name = '';
  for (const candidate of NAMES) {
    const found = text.lastIndexOf(candidate, before);
    if (found > at) {
      at = found;
      name = candidate;
    }
  }
  if (at === -1) return undefined;
  const value = VALUE.exec(text.slice(at + name.length))?.[1];
  if (value !== undefined) return Number(value);
  return at === 0 ? undefined : lastCount(text, at - 1);
};

/** The end of a chunk as text. What is looked for is ASCII, so each byte may stand for a character. */
const tailOf = (chunk: Uint8Array | string): string => {
  if (typeof chunk === 'string') return chunk.slice(-TAIL_BYTES);
  const start = Math.max(0, chunk.length - TAIL_BYTES);
  return Buffer.from(chunk.buffer, chunk.byteOffset + start, chunk.length - start).toString('latin1');
};

export interface OutputTokens {
  /** Shows the next bytes of a response; they are kept as long as they may be its last ones, not copied. */
  push(chunk: Uint8Array | string): void;
  /** @returns what the worker counted, `undefined` where it did not say. */
  count(): number | undefined;
}

/** Watches for the number of tokens a worker says it has generated. */
export const createOutputTokens = (): OutputTokens => {
  const recent: (Uint8Array | string)[] = [];
  let length = 0;
  return {
    push(chunk) {
      recent.push(chunk);
      length += chunk.length;
      for (let first = recent[0]; first && length - first.length >= TAIL_BYTES; first = recent[0]) {
        length -= first.length;
        recent.shift();
      }
    },
    count() {
      return lastCount(recent.map(tailOf).join('').slice(-TAIL_BYTES));
    },
  };
};
