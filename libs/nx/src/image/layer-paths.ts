import { compareBytes, type EntryMetadata } from '@prebuilt/oci';
import type { ContextFile } from './context.ts';
import { type Owner, PathConflict, type TreeFile, type TreeFolder, type TreeNode } from './tree-nodes.ts';

/** A path in a layer: a copied file, folder or link, or one of its parent folders. */
export type LayerPath = Owner & {
  /** Relative to the image's root, with `/`. */
  readonly path: string;
  readonly mode: number;
  /** Absent for a folder and a link. */
  readonly file?: ContextFile;
  /** A link's target: as written for a symbolic link, the path of an earlier file in the layer for a hard link. */
  readonly link?: { readonly type: 'symlink' | 'link'; readonly target: string };
  /** In seconds since 1970, for entries from an archive and folders of the base; absent for what this build created. */
  readonly mtime?: number;
};

/** A path's time in a layer, in seconds since 1970. As in all builders, it is never later than the source date. */
export function timeOf({ mtime }: LayerPath, sourceDateEpoch: number): number {
  return Math.min(mtime ?? sourceDateEpoch, sourceDateEpoch);
}

/** A layer's path as an entry of its tar file. */
export function layerEntry(planned: LayerPath, sourceDateEpoch: number): EntryMetadata {
  const { path, uid, gid, mode, file, link } = planned;
  const mtime = timeOf(planned, sourceDateEpoch);
  const type = link?.type ?? (file === undefined ? 'directory' : 'file');
  const size = link === undefined ? (file?.size ?? 0) : 0;
  return { type, path, uid, gid, mode, mtime, size, ...(link !== undefined && { target: link.target }) };
}

/**
 * The paths in a tree that are new or changed since an earlier one, in walk order, each after its parent folders.
 * Throws a `PathConflict` for anything that a layer can't contain.
 */
export function changedPaths(after: TreeFolder, before: TreeFolder): readonly LayerPath[] {
  const names: LinkNames = { changed: new Map(), kept: new Map() };
  const paths = changesOf(after, before, '', names);
  // Whether the layer contains the unchanged name depends on how the builder stores files.
  for (const [file, kept] of names.kept) {
    const changed = names.changed.get(file);
    if (changed !== undefined) {
      throw new PathConflict(
        `/${kept} and /${changed} are hard links to one file from an archive, and only the latter changed: builders would create different layers`,
      );
    }
  }
  return paths;
}

/** The first path of each changed file, and one path of each unchanged file. */
interface LinkNames {
  readonly changed: Map<TreeFile, string>;
  readonly kept: Map<TreeFile, string>;
}

/** The changes in a folder, in walk order. */
function changesOf(
  after: TreeFolder,
  before: TreeFolder | undefined,
  path: string,
  names: LinkNames,
): LayerPath[] {
  const paths: LayerPath[] = [];
  for (const name of [...after.children.keys()].sort(compareBytes)) {
    const node = after.children.get(name);
    const former = before?.children.get(name);
    if (node === undefined || node.kind === 'base-file') continue;
    const childPath = path === '' ? name : `${path}/${name}`;
    const { uid, gid, mode, mtime } = node;
    const planned = { path: childPath, uid, gid, mode, ...(mtime !== undefined && { mtime }) };
    const changed = !(former !== undefined && sameNode(node, former));
    if (node.kind === 'symlink') {
      if (changed) paths.push({ ...planned, link: { type: 'symlink', target: node.target } });
      continue;
    }
    if (node.kind === 'file') {
      if (!changed) {
        names.kept.set(node, childPath);
        continue;
      }
      const first = names.changed.get(node);
      if (first === undefined) names.changed.set(node, childPath);
      paths.push(
        first === undefined
          ? { ...planned, file: node.file }
          : { ...planned, link: { type: 'link', target: first } },
      );
      continue;
    }
    const inside = changesOf(node, former?.kind === 'folder' ? former : undefined, childPath, names);
    if (changed || inside.length > 0) {
      if (node.attributes === true) {
        throw new PathConflict(
          `/${childPath} has extended attributes in the base, which are not supported in new layers`,
        );
      }
      paths.push(planned);
    }
    for (const each of inside) paths.push(each);
  }
  return paths;
}

function sameNode(a: TreeNode, b: TreeNode): boolean {
  if (a === b) return true;
  if (a.uid !== b.uid || a.gid !== b.gid || a.mode !== b.mode) return false;
  if (a.kind === 'folder') return b.kind === 'folder';
  if (a.kind === 'symlink')
    return b.kind === 'symlink' && a.target === b.target && a.mtime !== undefined && a.mtime === b.mtime;
  return a.kind === 'file' && b.kind === 'file' && a.file.sha256 === b.file.sha256 && a.mtime === b.mtime;
}
