import type { Blocks } from './blocks.ts';
import { type Choice, choiceOf, type FinishReason, type Usage, usageOf } from './chat.ts';
import type { Fields, StreamTranslation } from './translation.ts';

/** What the events so far have said beside the answer itself. */
export interface Known {
  readonly usage: Usage | undefined;
  readonly finishReason: FinishReason | undefined;
}

/** How a dialect tells an answer: each writes the client's events. */
export interface ChatTelling {
  /** Told every event, before what it says. @returns where that goes. */
  event(event: Fields, known: Known): Blocks;
  /** Told an event's choice, before it goes there. */
  choice?(choice: Choice): void;
  /** The last events of an answer that is complete. */
  close(known: Known): void;
  /** The last events of one that has failed. */
  fail(status: number, message: string, known: Known): void;
  /** The client's event that says nothing, once something was said. */
  readonly comment: string;
  /** The client wants to hear no reasoning. */
  readonly isThoughtless: boolean;
}

/**
 * Follows the events of a chat completion to its end, and has them told in another dialect.
 * @param telling of one answer; it is handed where to write.
 */
export const chatStream = (telling: (write: (text: string) => void) => ChatTelling): StreamTranslation => {
  let out = '';
  let usage: Usage | undefined;
  let finishReason: FinishReason | undefined;
  let hasBegun = false;
  let isOver = false;
  const dialect = telling((text) => {
    out += text;
  });

  const take = (): string => {
    const text = out;
    out = '';
    return text;
  };
  const close = () => {
    if (isOver) return;
    isOver = true;
    dialect.close({ usage, finishReason });
  };

  return {
    event(event) {
      if (isOver) return '';
      hasBegun = true;
      usage = usageOf(event) ?? usage;
      const blocks = dialect.event(event, { usage, finishReason });
      const choice = choiceOf(event);
      if (choice) {
        dialect.choice?.(choice);
        blocks.push(dialect.isThoughtless ? { ...choice.said, reasoning: '' } : choice.said);
        finishReason ??= choice.finishReason;
      }
      // An event of its own, the last one: the choices before may have said zeros.
      if (finishReason && event.usage && !choice) close();
      return take();
    },
    comment: () => (isOver || !hasBegun ? '' : dialect.comment),
    end(isDone) {
      if (isDone || finishReason) close();
      return take();
    },
    fail(status, message) {
      if (isOver) return '';
      isOver = true;
      dialect.fail(status, message, { usage, finishReason });
      return take();
    },
  };
};
