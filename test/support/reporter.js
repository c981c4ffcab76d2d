/**
 * Names what was not run and why, and ends with one plain line of counts. Under `CI=true` anything not run fails the
 * run: there everything that a test needs must be installed.
 */
export default class NotRunReporter {
  /** @type {Error | undefined} */
  #failure;
  #filtered;

  /** @param {import('@jest/types').Config.GlobalConfig} globalConfig */
  constructor({ testNamePattern }) {
    this.#filtered = Boolean(testNamePattern);
  }

  /** @param {Set<unknown>} _contexts @param {import('@jest/reporters').AggregatedResult} results */
  onRunComplete(_contexts, results) {
    const tests = results.testResults.flatMap((file) => file.testResults);
    // Tests that `-t` left out were not asked for.
    const notRun = this.#filtered
      ? []
      : tests.filter(({ status }) => ['pending', 'todo', 'skipped', 'disabled'].includes(status));
    // What one door alone can show runs over that door, in the same command.
    const missing = notRun.filter(({ fullName }) => !/ \(only over [\w ]+: /.test(fullName));
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const lines = notRun.map(({ fullName }) => `not run: ${fullName}`);
    if (missing.length && process.env.CI === 'true') {
      this.#failure = new Error(`${missing.length} tests were not run`);
      lines.push(`failed: ${this.#failure.message}, and CI=true`);
    }
    lines.push(`${results.numPassedTests} passed, ${failed} failed`);
    // Jest's own summary comes after its reporters.
    process.once('exit', () => console.log(lines.join('\n')));
  }

  getLastError() {
    return this.#failure;
  }
}
