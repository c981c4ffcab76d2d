/** What a request line asks for. */
export interface RequestTarget {
  /** As sent, percent-encoded. */
  readonly path: string;
  /** As sent, without the `?`. */
  readonly query: string;
  /** Of an absolute target, `http://host/path`: it counts in the place of `Host` (RFC 9112 3.2.2). */
  readonly host: string | undefined;
}

/** @param target in origin form, or in absolute form, which servers have to take as well (RFC 9112 3.2). */
export const readTarget = (target: string): RequestTarget => {
  const [authority = '', host] = /^https?:\/\/([^/?#]*)/i.exec(target) ?? [];
  const [path = '', ...query] = target.slice(authority.length).split('?');
  return { path: path || '/', query: query.join('?'), host };
};
