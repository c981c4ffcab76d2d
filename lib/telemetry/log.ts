/**
 * One JSON object a line on stdout, which CloudWatch Logs Insights reads without a parser.
 * `process.stdout` and not `console`: the runtime patches `console` and puts text in front of the line.
 */
export type Level = 'info' | 'warn' | 'error';

/** @param event a stable snake_case name; @param fields never prompts, keys or whole errors. */
export const log = (level: Level, event: string, fields: Record<string, unknown> = {}): void => {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
};
