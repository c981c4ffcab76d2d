import { afterEach, expect, jest, test } from '@jest/globals';
import { log } from '../../../../lib/telemetry/log.ts';

const lines: string[] = [];
const listen = () =>
  jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
afterEach(() => {
  jest.restoreAllMocks();
  lines.length = 0;
});

test('a line is one JSON object, its time first', () => {
  listen();
  log('warn', 'ssm_unreachable', { tries: 2, left_out: undefined, text: 'two\nlines' });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\{"time":"\d{4}-\d\d-\d\dT[\d:.]+Z","level":"warn","event":"ssm_unreachable"[^\n]*\}\n$/);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ tries: 2, text: 'two\nlines' });
});

test('what is JSON already stands behind the fields', () => {
  listen();
  log('info', 'request', { status: 200 }, '"_aws":{"Timestamp":1}');
  log('info', 'request', undefined, '"_aws":{"Timestamp":2}');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { event: 'request', status: 200, _aws: { Timestamp: 1 } },
    { event: 'request', _aws: { Timestamp: 2 } },
  ]);
});
