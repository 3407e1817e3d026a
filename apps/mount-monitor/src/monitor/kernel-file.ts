import fs from 'node:fs';

/**
 * The content of a small file that the kernel answers from memory, as below /proc; undefined if it can't be read, such
 * as once its process has exited.
 */
export function textOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
