/** The worker's own message without the name of the node. */
const anonymous = (error: unknown, node: unknown): unknown => {
  const message = (error as { message?: unknown } | undefined)?.message;
  if (typeof message !== 'string' || typeof node !== 'string' || node === '') return error;
  return { ...(error as object), message: message.replaceAll(node, 'a worker') };
};

/**
 * LocalAI's 503 while a model loads names the loading node in `loading.node`. While the node header is off nothing may
 * name a node, so the field is taken out (CONTRACT.md 3.5); a body that is not that keeps its bytes.
 */
export const withoutLoadingNode = (body: Buffer): Buffer => {
  try {
    const value = JSON.parse(body.toString());
    if (value?.loading?.node === undefined) return body;
    const { node, ...loading } = value.loading;
    return Buffer.from(JSON.stringify({ ...value, error: anonymous(value.error, node), loading }));
  } catch {
    return body;
  }
};
