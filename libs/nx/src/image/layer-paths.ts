import { compareBytes, type EntryMetadata } from '@prebuilt/oci';
import type { ContextFile } from './context.ts';
import { type Owner, PathConflict, type TreeFile, type TreeFolder, type TreeNode } from './tree-nodes.ts';

/** A path of a layer: what was put there, or a folder above it. */
export type LayerPath = Owner & {
  /** Relative to the image's root, with `/`. */
  readonly path: string;
  readonly mode: number;
  /** Absent for a folder and a link. */
  readonly file?: ContextFile;
  /** What a link points to: a symbolic one as it says, a hard one the path of an earlier file of the layer. */
  readonly link?: { readonly type: 'symlink' | 'link'; readonly target: string };
  /** Of what comes out of an archive, and of a folder of the base, in seconds since 1970; absent for what this build made. */
  readonly mtime?: number;
};

/** The time that a path of a layer gets, in seconds since 1970: as builders do it, none is later than the source date. */
export function timeOf({ mtime }: LayerPath, sourceDateEpoch: number): number {
  return Math.min(mtime ?? sourceDateEpoch, sourceDateEpoch);
}

/** A path of a layer as an entry of its tar. */
export function layerEntry(planned: LayerPath, sourceDateEpoch: number): EntryMetadata {
  const { path, uid, gid, mode, file, link } = planned;
  const mtime = timeOf(planned, sourceDateEpoch);
  const type = link?.type ?? (file === undefined ? 'directory' : 'file');
  const size = link === undefined ? (file?.size ?? 0) : 0;
  return { type, path, uid, gid, mode, mtime, size, ...(link !== undefined && { target: link.target }) };
}

/**
 * The paths of a tree that are new or changed since an earlier one, each after the folders above it, sorted as a walk.
 * Throws a `PathConflict` for what a layer can't hold.
 */
export function changedPaths(after: TreeFolder, before: TreeFolder): readonly LayerPath[] {
  const names: LinkNames = { changed: new Map(), kept: new Map() };
  const paths = changesOf(after, before, '', names);
  // Whether such a name is in the layer depends on what the builder keeps its files with.
  for (const [file, kept] of names.kept) {
    const changed = names.changed.get(file);
    if (changed !== undefined) {
      throw new PathConflict(
        `/${kept} and /${changed} are one file of an archive, of which only the latter changes: builders differ in the layer`,
      );
    }
  }
  return paths;
}

/** The first path of each file that changed, and one of each that is as it was. */
interface LinkNames {
  readonly changed: Map<TreeFile, string>;
  readonly kept: Map<TreeFile, string>;
}

/** The changes of a folder in the order of a walk. */
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
          `/${childPath} has extended attributes in the base, which a layer here can't hold`,
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
