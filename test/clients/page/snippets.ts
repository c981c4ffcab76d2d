/** One client's section of `docs/clients.md`. */
export interface Section {
  readonly title: string;
  /** Its fenced blocks, in order. */
  readonly blocks: readonly { readonly language: 'sh' | 'js'; readonly code: string }[];
  /** Packages it installs, from its own `npm install` lines. */
  readonly packages: readonly string[];
}

const FENCE = /^```(sh|js)( skip)?\n([\s\S]*?)^```$/gm;

/** @returns the sections that have something to run here. */
export const sectionsOf = (page: string): readonly Section[] =>
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => {
      const blocks = [...text.matchAll(FENCE)]
        .filter(([, , skip]) => !skip)
        .map(([, language, , code = '']) => ({ language: language as 'sh' | 'js', code }));
      const packages = blocks.flatMap(({ code }) =>
        [...code.matchAll(/^npm install (?:-g )?(.+)$/gm)].flatMap(([, names = '']) => names.split(' ')),
      );
      return { title: text.slice(0, text.indexOf('\n')), blocks, packages };
    })
    .filter(({ blocks }) => blocks.length > 0);
