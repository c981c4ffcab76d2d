/** One server-sent event or comment as it stood in the stream. */
export interface Frame {
  readonly event: string | undefined;
  /** Joined data lines; undefined in a frame without any. */
  readonly data: string | undefined;
  readonly comments: readonly string[];
}

/**
 * Takes an event stream apart, LF or CRLF. Stricter than a browser: bytes after the last blank line are an error, so
 * a test sees a half-written event.
 * @throws {Error} when the stream does not end at an event boundary or has a line that is no field
 */
export const parseSse = (text: string): Frame[] => {
  const blocks = text.replaceAll('\r\n', '\n').split('\n\n');
  if (blocks.pop() !== '') throw new Error(`the stream ends inside an event: ${JSON.stringify(text.slice(-200))}`);
  return blocks
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const frame = { event: undefined as string | undefined, data: [] as string[], comments: [] as string[] };
      for (const line of block.split('\n').filter(Boolean)) {
        const [, field, value] = /^([a-z]*): ?(.*)$/s.exec(line) ?? [];
        if (field === '') frame.comments.push(value ?? '');
        else if (field === 'event') frame.event = value;
        else if (field === 'data') frame.data.push(value ?? '');
        else if (field !== 'id' && field !== 'retry') throw new Error(`no field of an event: ${JSON.stringify(line)}`);
      }
      const { event, data, comments } = frame;
      return { event, comments, data: data.length > 0 ? data.join('\n') : undefined };
    });
};

/** The JSON data of every event that has some, `[DONE]` as it is. */
export const eventsOf = (text: string): unknown[] =>
  parseSse(text).flatMap(({ data }) => {
    if (data === undefined) return [];
    return [data === '[DONE]' ? data : (JSON.parse(data) as unknown)];
  });

/** @throws {Error} when the last line is not ended or a line is not JSON */
export const parseNdjson = (text: string): unknown[] => {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error(`the last line is not ended: ${JSON.stringify(text.slice(-200))}`);
  return lines.map((line) => JSON.parse(line) as unknown);
};
