const MAX_LENGTH = 300;

/** Cuts text into sentences, and a very long one at a blank, for work that is better done a sentence at a time. */
export const splitSentences = (text: string): string[] => {
  const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text)].map(({ segment }) =>
    segment.trim(),
  );
  return sentences.flatMap((sentence) => {
    const pieces: string[] = [];
    let rest = sentence;
    while (rest.length > MAX_LENGTH) {
      const blank = rest.lastIndexOf(' ', MAX_LENGTH);
      const end = blank > 0 ? blank : MAX_LENGTH;
      pieces.push(rest.slice(0, end));
      rest = rest.slice(end).trimStart();
    }
    return [...pieces, rest].filter((piece) => /[\p{L}\p{N}]/u.test(piece));
  });
};
