import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a small file beside its place and renames it, so that readers see the former content or the new one. Its folder
 * is made where it is missing. The name beside it is always the same, so that what a killed process left there is
 * replaced by the next call; two processes must not write one file at once.
 */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o644): void {
  const temporary = temporaryPath(path);
  mkdirSync(dirname(path), { recursive: true });
  try {
    removeTemporary(path);
    writeFileSync(temporary, content, { mode, flag: 'wx' });
    renameSync(temporary, path);
  } finally {
    removeTemporary(path);
  }
}

/** Removes a file, whatever has its name, and what a killed process left beside it. */
export function removeFile(path: string): void {
  rmSync(path, { recursive: true, force: true });
  removeTemporary(path);
}

/** Removes what a killed process left beside a file. */
export function removeTemporary(path: string): void {
  rmSync(temporaryPath(path), { recursive: true, force: true });
}

function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`);
}
