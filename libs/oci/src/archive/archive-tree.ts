import type { ArchiveEntry } from './archive-entry.ts';
import { invalid } from './archive-header.ts';

/** Linux allows no longer names. The path limit is that of a manifest. */
const MAX_NAME_BYTES = 255;
const MAX_PATH = 1024;
const MAX_DEPTH = 100;
const WHITEOUT = '.wh.';

/**
 * Checks the entries of an archive against each other, one by one, so that every unpacker creates the same files and
 * none ends up somewhere other than its path: every path occurs once and is reached through folders only; a hard link
 * points to an earlier file with the same mode, owner and time; a symbolic link does not climb out of the destination
 * folder. Unpackers create the folders that are not in the archive. Every method throws `INVALID_ARCHIVE`.
 */
export class ArchiveTree {
  readonly #entries = new Map<string, ArchiveEntry>();
  /** Folders known only from what is in them. */
  readonly #implied = new Set<string>();

  add(entry: ArchiveEntry): void {
    const { path, type } = entry;
    if (this.#entries.has(path)) throw refused(path, 'is given twice');
    if (type !== 'directory' && this.#implied.has(path)) throw refused(path, `is a ${type} and a folder`);
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const above = path.slice(0, slash);
      const found = this.#entries.get(above)?.type ?? 'directory';
      if (found !== 'directory')
        throw refused(path, `leads through ${JSON.stringify(above)}, which is a ${found}`);
      this.#implied.add(above);
    }
    if (type === 'link') this.#checkLink(entry);
    if (type === 'symlink') checkSymlink(entry);
    this.#entries.set(path, entry);
  }

  #checkLink({ path, target = '', mode, uid, gid, mtime }: ArchiveEntry): void {
    const file = this.#entries.get(target);
    if (file?.type !== 'file') {
      throw refused(
        path,
        `a hard link to ${JSON.stringify(target)}, which is not an earlier file of the archive`,
      );
    }
    if (file.mode !== mode || file.uid !== uid || file.gid !== gid || file.mtime !== mtime) {
      throw refused(path, `a hard link with a different mode, owner or time from ${JSON.stringify(target)}`);
    }
  }
}

/**
 * Derives an entry's path from its name: drops a leading `./` and the trailing slash of a folder; the destination
 * folder itself becomes an empty path. Throws `INVALID_ARCHIVE` for names that are absolute, climb, are spelled in a
 * non-canonical way, are too long, contain control characters, or would remove a file (`.wh.`).
 */
export function archivePath(name: string, isFolder: boolean): string {
  const inner = name.startsWith('./') ? name.slice(2) : name;
  if (isFolder && (name === '.' || name === './')) return '';
  const path = isFolder && inner.endsWith('/') ? inner.slice(0, -1) : inner;
  if (name.startsWith('/')) throw refused(name, 'an absolute path');
  if (/\p{Cc}/u.test(path)) throw refused(name, 'a name with control characters');
  const parts = path.split('/');
  if (path.length > MAX_PATH || parts.length > MAX_DEPTH) {
    throw refused(name.slice(0, 80), `a path of more than ${MAX_PATH} characters or ${MAX_DEPTH} folders`);
  }
  for (const part of parts) {
    if (part === '..') throw refused(name, 'leaves the folder that the archive is unpacked into');
    if (part === '' || part === '.') throw refused(name, 'a path with an empty part or "."');
    if (part.includes('\\')) throw refused(name, 'a name with a backslash');
    if (Buffer.byteLength(part) > MAX_NAME_BYTES)
      throw refused(name.slice(0, 80), 'a name of more than 255 bytes');
    if (part.startsWith(WHITEOUT)) {
      throw refused(name, `a name that begins with "${WHITEOUT}" removes files when the image is unpacked`);
    }
  }
  return path;
}

// An absolute target starts at the image's root, wherever the archive is unpacked.
function checkSymlink({ path, target = '' }: ArchiveEntry): void {
  if (/\p{Cc}/u.test(target) || target.length > MAX_PATH) {
    throw refused(path, 'a symbolic link to a path that is too long or has control characters');
  }
  if (target.startsWith('/')) return;
  let depth = path.split('/').length - 1;
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) {
      throw refused(
        path,
        `a symbolic link to ${JSON.stringify(target)}, which leaves the folder that the archive is unpacked into`,
      );
    }
  }
}

function refused(path: string, problem: string): Error {
  return invalid(`${JSON.stringify(path)}: ${problem}`);
}
