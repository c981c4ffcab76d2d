/**
 * Node's options on Lambda: the start script of AWS's Node runtimes gives a twentieth of the function's memory to each
 * half of the young generation and nine tenths to the old one. Without them V8 sizes its heap by this machine's memory,
 * and a figure for peak memory says nothing of a function's.
 *
 * @param megabytes the function's memory.
 */
export const lambdaFlags = (megabytes: number): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: `--max-semi-space-size=${Math.floor(megabytes / 20)} --max-old-space-size=${Math.floor(megabytes * 0.9)}`,
});
