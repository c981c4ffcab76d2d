/** One series of a metric. */
export interface Sample {
  /** Text between the braces, as written. */
  readonly labels: string;
  readonly value: number;
}

/** Index just after the closing brace of a label set that opens at `start`. Braces inside quoted values do not count. */
const endOfLabels = (text: string, start: number): number => {
  let quoted = false;
  for (let i = start + 1; i < text.length; i += 1) {
    const char = text[i];
    if (char === '\\') i += 1;
    else if (char === '"') quoted = !quoted;
    else if (char === '}' && !quoted) return i + 1;
    else if (char === '\n') break;
  }
  return -1;
};

/** @returns every series of the metric, with whatever stands there for a number. */
export const seriesOf = (text: string, name: string): readonly Sample[] => {
  const samples: Sample[] = [];
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + name.length)) {
    if (at > 0 && text[at - 1] !== '\n') continue;
    let from = at + name.length;
    let labels = '';
    if (text[from] === '{') {
      const end = endOfLabels(text, from);
      if (end === -1) continue;
      labels = text.slice(from + 1, end - 1);
      from = end;
    } else if (text[from] !== ' ' && text[from] !== '\t') continue;
    const newline = text.indexOf('\n', from);
    samples.push({ labels, value: Number.parseFloat(text.slice(from, newline === -1 ? text.length : newline)) });
  }
  return samples;
};

/**
 * Picks one metric out of a Prometheus text exposition (format 0.0.4). Looks for its name only, so that the 100 KB an
 * engine may answer are not parsed for two numbers.
 *
 * @param text body of a `/metrics` answer
 * @param name full metric name, colons included
 * @returns its finite samples, in the order written; empty when the metric is not there
 */
export const samplesOf = (text: string, name: string): readonly Sample[] =>
  seriesOf(text, name).filter(({ value }) => Number.isFinite(value));

/**
 * @param name full metric name.
 * @returns the sum over all its series, `undefined` when there is none; NaN when one of them is no count: negative, or
 *   no finite number.
 */
export const countIn = (text: string, name: string): number | undefined => {
  const series = seriesOf(text, name);
  return series.length === 0 ? undefined : totalOf(series.map(({ value }) => value));
};

/** @returns the sum, NaN when one of the numbers is no count. */
export const totalOf = (counts: readonly number[]): number =>
  counts.reduce((total, count) => total + (count >= 0 ? count : Number.NaN), 0);

/** @returns the sum over all series of a gauge, `undefined` when there is none. */
export const sumOf = (text: string, name: string): number | undefined => {
  const samples = samplesOf(text, name);
  return samples.length === 0 ? undefined : samples.reduce((sum, sample) => sum + sample.value, 0);
};
