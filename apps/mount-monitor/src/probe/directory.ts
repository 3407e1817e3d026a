import fs from 'node:fs';
import type { ProbeRequest } from './protocol.ts';
import type { Failure } from './reasons.ts';

/** Checks that the path is a folder and counts its entries up to `minEntries`; throws the file system's errors. */
export function inspectDirectory({ path, minEntries }: ProbeRequest): Failure | undefined {
  if (!fs.statSync(path).isDirectory()) {
    return { reason: 'not_a_directory', error: `${path}: not a directory` };
  }
  if (minEntries === 0) return undefined;
  const count = countEntries(path, minEntries);
  if (count >= minEntries) return undefined;
  return { reason: 'empty', error: `${path}: expected at least ${minEntries} entries, found ${count}` };
}

function countEntries(path: string, enough: number): number {
  const directory = fs.opendirSync(path);
  try {
    let count = 0;
    while (count < enough && directory.readSync() !== null) count += 1;
    return count;
  } finally {
    directory.closeSync();
  }
}
