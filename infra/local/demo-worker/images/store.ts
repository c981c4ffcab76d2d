/** Pictures kept for a while under their own URL, in memory; the oldest make room. */
export interface ImageStore {
  /** @returns the file name. */
  put(png: Uint8Array): string;
  get(name: string): Uint8Array | undefined;
}

export const createImageStore = ({ capacity = 32 } = {}): ImageStore => {
  const pictures = new Map<string, Uint8Array>();
  return {
    put(png) {
      const name = `${crypto.randomUUID()}.png`;
      pictures.set(name, png);
      const [oldest] = pictures.keys();
      if (pictures.size > capacity && oldest !== undefined) pictures.delete(oldest);
      return name;
    },
    get: (name) => pictures.get(name),
  };
};
