import type { ListedArchiveEntry } from '../../artifacts/listed.ts';
import type { ContextFile } from '../context.ts';
import {
  newFolder,
  notFolder,
  type Owner,
  PathConflict,
  put,
  ROOT,
  type TreeFile,
  type TreeFolder,
} from '../tree-nodes.ts';

/** An archive in the context, and its entries. */
export interface AddedArchive {
  readonly file: ContextFile;
  readonly entries: readonly ListedArchiveEntry[];
}

/**
 * Unpacks an archive into a folder of an image like BuildKit: each entry keeps its mode and time, and its owner unless
 * `chown` is given; folders that the archive only implies belong to root. `rootParts` is for messages. Throws a
 * `PathConflict`, also if an entry's path leads through a link, if an entry would replace a folder, or a folder would
 * replace a link: builders treat these cases differently.
 * https://github.com/moby/go-archive/blob/v0.2.0/archive.go
 */
export function unpackInto(
  root: TreeFolder,
  rootParts: readonly string[],
  { file: archive, entries }: AddedArchive,
  chown: Owner | undefined,
): void {
  const rootPath = ['', ...rootParts].join('/');
  const files = new Map<string, TreeFile>();
  const folders: [TreeFolder, number][] = [];
  for (const entry of entries) {
    const { path, mtime } = entry;
    const { uid, gid } = chown ?? entry;
    const mode = Number.parseInt(entry.mode, 8);
    const above = path.split('/');
    const name = above.pop() ?? '';
    const absolute = `${rootPath}/${path}`;
    const folder = innerFolder(root, above, rootPath);
    const existing = folder.children.get(name);
    if (entry.type === 'directory') {
      if (existing !== undefined && existing.kind !== 'folder') throw notFolder(absolute, existing);
      const made: TreeFolder = {
        kind: 'folder',
        uid,
        gid,
        mode,
        children: existing?.children ?? new Map(),
        ...(existing?.attributes === true && { attributes: true }),
      };
      if (existing === undefined) put(folder, name, made);
      else folder.children.set(name, made);
      folders.push([made, mtime]);
      continue;
    }
    if (existing?.kind === 'folder') {
      throw new PathConflict(`${absolute} is a folder, but the archive has a ${entry.type} there`);
    }
    if (entry.type === 'symlink') {
      put(folder, name, { kind: 'symlink', uid, gid, mode, target: entry.target, mtime });
      continue;
    }
    const made: TreeFile | undefined =
      entry.type === 'link'
        ? files.get(entry.target)
        : { kind: 'file', uid, gid, mode, mtime, file: innerFile(archive, entry) };
    if (made === undefined)
      throw new PathConflict(`${absolute} is a hard link, but its target is not a file in the archive`);
    files.set(path, made);
    put(folder, name, made);
  }
  // Adding entries to the folders has changed their times.
  for (const [folder, mtime] of folders) folder.mtime = mtime;
  // Unpackers make the destination their root and temporarily create a folder in it, which changes its time:
  // https://github.com/moby/go-archive/blob/v0.2.0/internal/mounttree/switchroot_linux.go
  root.mtime = undefined;
}

/** A folder below another, created if missing, without following links. */
function innerFolder(root: TreeFolder, parts: readonly string[], path: string): TreeFolder {
  let folder = root;
  for (const [index, part] of parts.entries()) {
    const existing = folder.children.get(part);
    if (existing !== undefined && existing.kind !== 'folder') {
      throw notFolder([path, ...parts.slice(0, index + 1)].join('/'), existing);
    }
    const next = existing ?? newFolder(ROOT);
    if (existing === undefined) put(folder, part, next);
    folder = next;
  }
  return folder;
}

function innerFile(
  { path, source, sha256 }: ContextFile,
  entry: Extract<ListedArchiveEntry, { readonly type: 'file' }>,
): ContextFile {
  return {
    path: `${path}/${entry.path}`,
    source: `${source}/${entry.path}`,
    mode: Number.parseInt(entry.mode, 8),
    size: entry.size,
    sha256: entry.sha256,
    inside: { path, source, sha256 },
  };
}
