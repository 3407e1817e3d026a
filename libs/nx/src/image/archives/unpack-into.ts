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

/** A file of the context that is an archive, and what is in it. */
export interface AddedArchive {
  readonly file: ContextFile;
  readonly entries: readonly ListedArchiveEntry[];
}

/**
 * Unpacks an archive into a folder of an image, whose path is for messages, as BuildKit does it: each entry with its own mode and
 * time, and its own owner unless all are to have another; folders that the archive only implies are root's. Throws a
 * `PathConflict`, also where an entry leads through a link, or would take the place of a folder or give a folder that of a
 * link: what builders then make of it differs.
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
      throw new PathConflict(`${absolute} is a folder, expected none, for the ${entry.type} of the archive`);
    }
    if (entry.type === 'symlink') {
      put(folder, name, { kind: 'symlink', uid, gid, mode, target: entry.target, mtime });
      continue;
    }
    const made: TreeFile | undefined =
      entry.type === 'link'
        ? files.get(entry.target)
        : { kind: 'file', uid, gid, mode, mtime, file: innerFile(archive, entry) };
    if (made === undefined) throw new PathConflict(`${absolute} is a hard link to no file of the archive`);
    files.set(path, made);
    put(folder, name, made);
  }
  // What was put into them changed it.
  for (const [folder, mtime] of folders) folder.mtime = mtime;
  // Unpackers make the destination their root, and put a folder into it meanwhile:
  // https://github.com/moby/go-archive/blob/v0.2.0/internal/mounttree/switchroot_linux.go
  root.mtime = undefined;
}

/** A folder below another, made where it is missing, through no link. */
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
