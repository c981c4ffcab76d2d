const TOKEN = /\n\n+| ?[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*| ?[^\s\p{L}\p{N}]|\s/gu;

/** The token that ends a paragraph. */
export const PARAGRAPH = '\n\n';

/** Cuts text into words and marks, each with the blank before it, so that joining the tokens gives the text back. */
export const tokenize = (text: string): string[] =>
  (text.match(TOKEN) ?? []).map((token) => (token.startsWith(PARAGRAPH) ? PARAGRAPH : token));
