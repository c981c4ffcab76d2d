type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The node an object's `loading` names. */
const nodeOf = (value: unknown): unknown =>
  isObject(value) && isObject(value.loading) ? value.loading.node : undefined;

/** The same object with the node's name taken out of its `loading`, and out of its message. */
const anonymous = (value: Fields, node: unknown): Fields => {
  const { loading, message } = value;
  const named = typeof message === 'string' && typeof node === 'string' && node !== '';
  const { node: _, ...state } = isObject(loading) ? loading : {};
  return {
    ...value,
    ...(named && { message: message.replaceAll(node, 'a worker') }),
    ...(isObject(loading) && { loading: state }),
  };
};

/**
 * LocalAI's 503 while a model loads names the loading node in `loading.node`, beside the error or inside of it. While
 * the node header is off nothing may name a node, so the field is taken out (CONTRACT.md 3.5); a body that is not that
 * keeps its bytes.
 */
export const withoutLoadingNode = (body: Buffer): Buffer => {
  try {
    const value: unknown = JSON.parse(body.toString());
    if (!isObject(value)) return body;
    const { error } = value;
    const node = [value, error].map(nodeOf).find((name) => name !== undefined);
    if (node === undefined) return body;
    return Buffer.from(
      JSON.stringify({ ...anonymous(value, node), ...(isObject(error) && { error: anonymous(error, node) }) }),
    );
  } catch {
    return body;
  }
};
