/** A stretch of speech, in seconds from the beginning. */
export interface Segment {
  readonly start: number;
  readonly end: number;
}

/** Silence shorter than this is a breath inside a sentence. */
const HANGOVER_SECONDS = 0.4;
/** Speech shorter than this is a click. */
const MIN_SPEECH_SECONDS = 0.1;

/** Joins decisions per frame into segments. */
export const createSegmenter = ({ frameSeconds }: { frameSeconds: number }) => {
  const segments: Segment[] = [];
  let frame = 0;
  return {
    push(isSpeech: boolean): void {
      const start = frame * frameSeconds;
      frame += 1;
      if (!isSpeech) return;
      const last = segments.at(-1);
      const isBreath = last && start - last.end <= HANGOVER_SECONDS;
      if (isBreath) segments[segments.length - 1] = { start: last.start, end: frame * frameSeconds };
      else segments.push({ start, end: frame * frameSeconds });
    },
    finish: (): Segment[] => segments.filter(({ start, end }) => end - start >= MIN_SPEECH_SECONDS),
  };
};
