import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { inflateRawSync } from 'node:zlib';

const END = 0x06054b50;
const ENTRY = 0x02014b50;

/**
 * Unpacks a zip file as osls writes them (stored or deflated entries, no ZIP64, no encryption).
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3
 * @returns the names of its files.
 * @throws {Error} when the file is none.
 */
export const unzip = (file: string, folder: string): string[] => {
  const zip = readFileSync(file);
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END) end -= 1;
  if (end < 0) throw new Error(`${file} is no zip file`);
  const names: string[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let count = zip.readUInt16LE(end + 10); count > 0; count -= 1) {
    if (zip.readUInt32LE(at) !== ENTRY) throw new Error(`${file} is damaged`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    const name = zip.toString('utf8', at + 46, at + 46 + (nameLength ?? 0));
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const bytes = zip.subarray(start, start + zip.readUInt32LE(at + 20));
    if (normalize(name).startsWith('..')) throw new Error(`${file} leaves its folder: ${name}`);
    if (!name.endsWith('/')) {
      const target = join(folder, name);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, zip.readUInt16LE(at + 10) === 0 ? bytes : inflateRawSync(bytes));
      names.push(name);
    }
    at += 46 + (nameLength ?? 0) + (extraLength ?? 0) + (commentLength ?? 0);
  }
  return names;
};
