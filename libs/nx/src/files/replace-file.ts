import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a small file under a temporary name next to its target and renames it, so that readers see either the old
 * content or the new. Creates the folder if it is missing. The temporary name is always the same, so the next call
 * replaces what a killed process left behind; two processes must not write the same file at once.
 *
 * write-file-atomic 8.0.0 was considered and rejected. Its temporary names include a hash of the process ID, so what
 * SIGKILL leaves behind stays forever, in folders that become release assets and cache entries. It writes through a
 * link to wherever that leads, opens an existing file with the temporary name, keeps the old file's mode and owner, and
 * renames the result of a short write. It does flush to disk, but that isn't needed here: lost files are rebuilt.
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

/** Removes whatever is at a path, and what a killed process left next to it. */
export function removeFile(path: string): void {
  rmSync(path, { recursive: true, force: true });
  removeTemporary(path);
}

/** Removes what a killed process left next to a file. */
export function removeTemporary(path: string): void {
  rmSync(temporaryPath(path), { recursive: true, force: true });
}

function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`);
}
