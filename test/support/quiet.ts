/**
 * The gateway's log lines go to stdout; those of gateways inside the test process would bury the tests' own report.
 * A test that wants to read them puts its own spy on top.
 */
const isLogLine = (chunk: unknown): boolean => typeof chunk === 'string' && chunk.startsWith('{"time":"');

const { stdout } = process;
const quiet = Symbol.for('gateway.quiet');
if (!(quiet in stdout)) {
  const write = stdout.write.bind(stdout) as (...all: unknown[]) => boolean;
  stdout.write = ((...all: unknown[]) => isLogLine(all[0]) || write(...all)) as typeof stdout.write;
  Object.defineProperty(stdout, quiet, { value: true });
}
