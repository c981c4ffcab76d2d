/** What a language model is asked: a conversation to answer, or a text to continue. */
export interface TextInput {
  readonly messages?: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[];
  readonly prompt?: string;
  /** 0 only counts the prompt. */
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly seed?: number;
  /** Runs to `maxTokens` even where the model would end. */
  readonly ignoreEnd?: boolean;
}

/** First the prompt's size, then one piece of text a token, last `length` when the limit and not the model ended it. */
export type TextOutput = { readonly promptTokens: number } | { readonly text: string } | { readonly length: true };
