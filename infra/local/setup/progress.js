const TERMINAL_MS = 500;
const ELSEWHERE_MS = 5000;

/**
 * Says now and then how far something is and for how long: over itself in a terminal, a line every five seconds elsewhere.
 *
 * @param {() => string} what is done and what is left
 * @param {{ atOnce?: boolean }} [options] whether it has something to say from the beginning; else what is quick stays quiet
 * @returns {() => void} ends it
 */
export const startProgress = (what, { atOnce = false } = {}) => {
  const since = Date.now();
  const { isTTY } = process.stderr;
  let hasSpoken = false;
  const say = () => {
    hasSpoken = true;
    const text = `${what()}, ${Math.round((Date.now() - since) / 1000)} s`;
    process.stderr.write(isTTY ? `\r\x1b[K${text.slice(0, process.stderr.columns)}` : `${text}\n`);
  };
  if (atOnce) say();
  const timer = setInterval(say, isTTY ? TERMINAL_MS : ELSEWHERE_MS).unref();
  return () => {
    clearInterval(timer);
    if (!hasSpoken) return;
    say();
    if (isTTY) process.stderr.write('\n');
  };
};
