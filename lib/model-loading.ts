import type { PrimedBody } from './relay.ts';

const LONGEST = 64 * 1024;

/**
 * LocalAI's 503 while a model loads names the loading node in `loading.node`. While the node header is off nothing may
 * name a node, so the field is taken out (CONTRACT.md 3.5); a body that is not that is passed on as it is.
 *
 * @returns the body, collected: it is short by nature, and never a stream.
 */
export const withoutLoadingNode = async (body: PrimedBody): Promise<Uint8Array> => {
  const chunks = [...body.first];
  for (let length = 0; length <= LONGEST; ) {
    const next = await body.rest.next();
    if (next.done) break;
    length += next.value.length;
    chunks.push(next.value);
  }
  const bytes = Buffer.concat(chunks);
  try {
    const value = JSON.parse(bytes.toString());
    if (value?.loading?.node === undefined) return bytes;
    const { node, ...loading } = value.loading;
    return Buffer.from(JSON.stringify({ ...value, loading }).replaceAll(JSON.stringify(node).slice(1, -1), 'a worker'));
  } catch {
    return bytes;
  }
};
