import { createHash } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '../files/hash.ts';

/** A file or symbolic link in a folder. The path is relative to the folder. */
export type Entry =
  | { readonly kind: 'file'; readonly path: string; readonly executable: boolean; readonly sha256: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

// Enough to keep the disk busy, but few enough not to run out of file descriptors.
const MAX_OPEN_FILES = 32;

/**
 * Every file and link below a folder, sorted by path, with files read in full. Doesn't follow links. Throws for special
 * files.
 */
export async function readContents(root: string): Promise<readonly Entry[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = found
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort((a, b) => (a < b ? -1 : 1));
  const entries: Entry[] = [];
  for (let first = 0; first < paths.length; first += MAX_OPEN_FILES) {
    const some = paths.slice(first, first + MAX_OPEN_FILES);
    entries.push(...(await Promise.all(some.map((path) => readEntry(root, path)))));
  }
  return entries;
}

async function readEntry(root: string, path: string): Promise<Entry> {
  const full = join(root, path);
  const found = await lstat(full);
  if (found.isSymbolicLink()) return { kind: 'link', path, target: await readlink(full) };
  if (!found.isFile()) throw new Error(`${full}: expected a file or a symbolic link, found neither`);
  return { kind: 'file', path, executable: (found.mode & 0o111) !== 0, sha256: await sha256OfFile(full) };
}

/** A listing of a folder's content with one line per entry, identical for identical content. */
export function formatContents(entries: readonly Entry[]): string {
  return entries
    .map((entry) =>
      entry.kind === 'file'
        ? `${entry.sha256} ${entry.executable ? '0755' : '0644'} ${JSON.stringify(entry.path)}\n`
        : `link ${JSON.stringify(entry.path)} ${JSON.stringify(entry.target)}\n`,
    )
    .join('');
}

/** The SHA-256 of the listing of a folder's content. */
export function hashContents(entries: readonly Entry[]): string {
  return createHash('sha256').update(formatContents(entries)).digest('hex');
}
