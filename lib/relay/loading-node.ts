import type { StreamFormat } from '../dialects/dialect.ts';
import { isObject, readJson } from '../json.ts';

/** Fields that are read by programs: what they say is not a name, whatever it looks like. */
const CODED = new Set(['type', 'code', 'param', 'object', 'status', 'state', 'model']);
/** A shorter name may be part of any word. */
const SHORTEST = 3;

/** Every node that some `loading` in a value names, however deep. */
const nodesIn = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  if (!isObject(value)) return [];
  const nodes = Object.values(value).flatMap(nodesIn);
  return isObject(value.loading) && 'node' in value.loading ? [value.loading.node, ...nodes] : nodes;
};

/** @returns a pattern that finds the names wherever they stand in a text; a very short one only as a word. */
const patternOf = (names: readonly unknown[]): RegExp | undefined => {
  const texts = names.filter((name): name is string => typeof name === 'string' && name !== '');
  const patterns = [...new Set(texts)]
    .sort((a, b) => b.length - a.length)
    .map((name) => {
      const literal = name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
      return name.length < SHORTEST ? `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])` : literal;
    });
  return patterns.length > 0 ? new RegExp(patterns.join('|'), 'giu') : undefined;
};

const rename = (value: unknown, names: RegExp | undefined): unknown => {
  if (typeof value === 'string') return names ? value.replace(names, 'a worker') : value;
  if (Array.isArray(value)) return value.map((item) => rename(item, names));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([field, inside]) => {
    if (field === 'loading' && isObject(inside)) {
      const { node: _, ...state } = inside;
      return [field, rename(state, names)];
    }
    return [field, typeof inside === 'string' && CODED.has(field) ? inside : rename(inside, names)];
  });
  return Object.fromEntries(entries);
};

/**
 * LocalAI's answer while a model loads names the loading node in `loading.node`, beside the error or inside of it, and
 * in its message. While the node header is off nothing may name a node (docs/contract.md 3.5).
 *
 * @param names further names that must not be told.
 * @returns the value without them; the very same where it names none.
 */
export const withoutNode = (value: unknown, names: readonly string[] = []): unknown => {
  const nodes = nodesIn(value);
  return nodes.length + names.length === 0 ? value : rename(value, patternOf([...nodes, ...names]));
};

const MAY_NAME = /node"|\\u00/;

/** @returns the JSON without the name; the same text where it names none or is no JSON. */
const scrubbed = (text: string): string => {
  if (!MAY_NAME.test(text)) return text;
  try {
    const value = readJson(text);
    const clean = withoutNode(value);
    return clean === value ? text : JSON.stringify(clean);
  } catch {
    // Nested deeper than can be walked: no worker's word on a model that loads.
    return text;
  }
};

const changed = (bytes: Buffer, change: (text: string) => string): Buffer => {
  const text = bytes.toString();
  if (!MAY_NAME.test(text)) return bytes;
  const clean = change(text);
  return clean === text ? bytes : Buffer.from(clean);
};

/** Takes it out of a whole JSON body. */
export const scrubBody = (body: Buffer): Buffer => changed(body, scrubbed);

const LINE_END = /\r\n|\n|\r/;
const DATA = /^data: ?/;

/** The JSON of an event may stand in several lines: it becomes one, after the event's other lines. */
const scrubEvent = (event: string): string => {
  const lines = event.split(LINE_END);
  const data = lines.filter((line) => DATA.test(line)).map((line) => line.replace(DATA, ''));
  const text = data.join('\n');
  const clean = scrubbed(text);
  if (clean === text) return event;
  const others = lines.filter((line) => !DATA.test(line));
  return [...others, `data: ${clean}`].join(LINE_END.exec(event)?.[0] ?? '\n');
};

const EVENT_END = /((?:\r\n|\n|\r(?!\n)){2,})/;

const scrubEvents = (events: Buffer): Buffer =>
  changed(events, (text) => text.split(EVENT_END).map(scrubEvent).join(''));

const scrubLines = (lines: Buffer): Buffer => changed(lines, (text) => text.split('\n').map(scrubbed).join('\n'));

/** @returns what takes it out of a stream's whole events or lines. */
export const scrubFor = (contentType: StreamFormat['contentType']) =>
  contentType === 'application/x-ndjson' ? scrubLines : scrubEvents;
