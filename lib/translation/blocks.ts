import type { CallPiece, Said } from './chat.ts';

/** One stretch of an answer: what was thought, said or called. */
export interface Block {
  /** Its place in the answer. */
  readonly index: number;
  readonly kind: 'reasoning' | 'text' | 'refusal' | 'call';
  /** A call's; made up where the worker gives none. */
  readonly id: string;
  readonly name: string;
  /** All that was passed on of it so far. */
  readonly text: string;
}

/** Told block after block: the next one starts when the one before has stopped. */
export interface BlockListener {
  start(block: Block): void;
  delta(block: Block, piece: string): void;
  stop(block: Block): void;
}

export interface Blocks {
  push(said: Said): void;
  /** Nothing more comes: all that is open or waits is passed on and stopped. */
  close(): void;
  readonly hasCalls: boolean;
  /** How many there are. */
  readonly count: number;
}

interface Waiting {
  index: number;
  kind: Block['kind'];
  id: string;
  name: string;
  text: string;
  pending: string;
  isStarted: boolean;
}

/** Arguments are one JSON object; whether all of it is here shows at its last brace. */
const isWhole = (text: string): boolean => {
  if (!text.trimEnd().endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/**
 * Puts the pieces of an OpenAI stream in order. They come by kind, and calls by their index, in any mixture; the other
 * dialects have one block after the other. A call that starts before another one's arguments are complete waits for it.
 *
 * @param idPrefix calls without an id get this and their number.
 */
export const createBlocks = (listener: BlockListener, idPrefix: string): Blocks => {
  const queue: Waiting[] = [];
  const calls = new Map<number, Waiting>();
  let count = 0;
  let callCount = 0;
  let isClosing = false;

  const add = (kind: Block['kind']): Waiting => {
    const block = { index: count, kind, id: '', name: '', text: '', pending: '', isStarted: false };
    count += 1;
    queue.push(block);
    return block;
  };

  const append = (kind: Block['kind'], text: string) => {
    if (text === '') return;
    const last = queue.at(-1);
    const block = last?.kind === kind ? last : add(kind);
    block.pending += text;
  };

  const callFor = ({ index, id, name }: CallPiece): Waiting => {
    // Without an index a piece belongs to the last call, unless it names a new one.
    const key = index ?? (id !== undefined && name !== undefined ? calls.size : Math.max(0, calls.size - 1));
    const known = calls.get(key);
    // Some servers number every call 0, and tell them apart by their ids.
    const isAnother = known?.id && id !== undefined && id !== known.id && name !== undefined;
    if (known && !isAnother) return known;
    const block = add('call');
    calls.set(key, block);
    return block;
  };

  const flow = () => {
    for (let block = queue[0]; block; block = queue[0]) {
      if (!block.isStarted) {
        if (block.kind === 'call') {
          if (block.name === '' && !isClosing) return;
          block.id ||= `${idPrefix}${callCount}`;
          callCount += 1;
        }
        block.isStarted = true;
        listener.start(block);
      }
      if (block.pending !== '') {
        const { pending } = block;
        block.text += pending;
        block.pending = '';
        listener.delta(block, pending);
      }
      if (!isClosing && (queue.length === 1 || (block.kind === 'call' && !isWhole(block.text)))) return;
      queue.shift();
      listener.stop(block);
    }
  };

  return {
    push({ reasoning, content, refusal, calls: pieces }) {
      append('reasoning', reasoning);
      append('text', content);
      append('refusal', refusal);
      for (const piece of pieces) {
        const block = callFor(piece);
        block.id ||= piece.id ?? '';
        block.name ||= piece.name ?? '';
        block.pending += piece.arguments;
      }
      flow();
    },
    close() {
      isClosing = true;
      flow();
    },
    get hasCalls() {
      return calls.size > 0;
    },
    get count() {
      return count;
    },
  };
};
