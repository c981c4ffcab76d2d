import type { Dialect } from '../api/dialect.ts';
import type { Exchange } from './exchange.ts';

/** One operation: where it answers, in whose dialect its errors are, and what it does. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** `{name}` matches the rest of one or more segments up to the text that follows it. */
  readonly paths: readonly string[];
  readonly dialect: Dialect;
  handle(exchange: Exchange): void | Promise<void>;
}

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

const pattern = (path: string) =>
  new RegExp(`^${path.replaceAll(/[.]/g, '\\.').replaceAll(/\{(\w+)\}/g, '(?<$1>.+)')}$`);

const decode = (text: string) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** @returns a lookup that gives every route of a path, so that a wrong method can be told from an unknown path. */
export const createRouteTable = (routes: readonly Route[]): ((pathname: string) => Match[]) => {
  const table = routes.flatMap((route) => route.paths.map((path) => ({ route, pattern: pattern(path) })));
  return (pathname) => {
    const path = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
    return table.flatMap(({ route, pattern }) => {
      const match = pattern.exec(path);
      if (!match) return [];
      const params = Object.fromEntries(
        Object.entries(match.groups ?? {}).map(([name, value]) => [name, decode(value)]),
      );
      return [{ route, params }];
    });
  };
};
