/**
 * One JSON object a line on stdout, which CloudWatch Logs Insights reads without a parser.
 * `process.stdout` and not `console`: the runtime patches `console` and puts text in front of the line.
 */
export type Level = 'info' | 'warn' | 'error';

/**
 * @param event a stable snake_case name.
 * @param fields never prompts, keys or whole errors.
 * @param members what is JSON already, put behind the fields: `"name":value` without a comma around it.
 */
export const log = (level: Level, event: string, fields: Record<string, unknown> = {}, members = ''): void => {
  const line = JSON.stringify({ time: new Date().toISOString(), level, event, ...fields });
  process.stdout.write(members ? `${line.slice(0, -1)},${members}}\n` : `${line}\n`);
};
