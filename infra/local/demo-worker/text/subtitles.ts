/** A line of speech; times in seconds. */
export interface Cue {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const timestamp = (seconds: number, decimalMark: string) => {
  const time = new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23);
  return time.replace('.', decimalMark);
};

const block = ({ start, end, text }: Cue, decimalMark: string) =>
  `${timestamp(start, decimalMark)} --> ${timestamp(end, decimalMark)}\n${text}\n`;

/** SubRip. */
export const toSrt = (cues: readonly Cue[]): string => cues.map((cue, i) => `${i + 1}\n${block(cue, ',')}`).join('\n');

/** WebVTT (W3C). */
export const toVtt = (cues: readonly Cue[]): string => ['WEBVTT\n', ...cues.map((cue) => block(cue, '.'))].join('\n');
