import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a small file beside its place and renames it, so that readers see the former content or the new one. Its folder
 * is made where it is missing. The name beside it is always the same, so that what a killed process left there is
 * replaced by the next call; two processes must not write one file at once.
 *
 * write-file-atomic 8.0.0 was held against it and left out. It names the file beside by a hash that holds the process's id,
 * so that what SIGKILL leaves stays for good, in folders that become release assets and cache entries. It writes through a
 * link to wherever that leads, opens what already has the name beside, takes over the former file's mode and owner, and
 * renames what a short write left. It does flush to the disk, which is not needed here: what a machine lost is made again.
 * https://github.com/npm/write-file-atomic/blob/v8.0.0/lib/index.js
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
