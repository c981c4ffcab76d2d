/** A queue between one that calls back and one that awaits. */
export interface Inbox<Message> {
  put(message: Message): void;
  /** The oldest message, as soon as there is one. */
  take(): Promise<Message>;
}

export const createInbox = <Message extends object>(): Inbox<Message> => {
  const messages: Message[] = [];
  let wake = () => {};
  return {
    put(message) {
      messages.push(message);
      wake();
    },
    async take() {
      while (true) {
        const message = messages.shift();
        if (message) return message;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
};
