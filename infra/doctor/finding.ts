/** What a check has found. `unknown`: it could not be looked at, and `detail` says what it would take. */
export interface Finding {
  readonly verdict: 'good' | 'bad' | 'unknown';
  readonly subject: string;
  readonly detail: string;
}

export const good = (subject: string, detail: string): Finding => ({ verdict: 'good', subject, detail });
export const bad = (subject: string, detail: string): Finding => ({ verdict: 'bad', subject, detail });
export const unknown = (subject: string, detail: string): Finding => ({ verdict: 'unknown', subject, detail });
