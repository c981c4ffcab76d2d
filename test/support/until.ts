/**
 * Waits for a condition that has no event, looking every 5 ms.
 * @returns false when it did not hold within `milliseconds`
 */
export const until = async (holds: () => boolean | Promise<boolean>, milliseconds = 5000): Promise<boolean> => {
  const end = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
};
