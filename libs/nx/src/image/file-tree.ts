import { compareBytes, type ReadEntry } from '@prebuilt/oci';
import { type AddedArchive, unpackInto } from './archives/unpack-into.ts';
import type { ContextFile, ContextFolder, ContextNode } from './context.ts';
import type { ModeChange } from './file-mode.ts';
import { changedPaths, type LayerPath } from './layer-paths.ts';
import {
  newFolder,
  notFolder,
  type Owner,
  PathConflict,
  put,
  ROOT,
  type TreeFolder,
  type TreeNode,
} from './tree-nodes.ts';

/** What is at a path, without following links. */
export type FoundNode =
  | (Owner & {
      readonly kind: 'file';
      readonly mode: number;
      readonly sha256: string | undefined;
      readonly attributes: boolean;
    })
  | { readonly kind: 'folder' }
  | { readonly kind: 'symlink'; readonly target: string };

/** How `COPY` sets owner and mode. */
export interface CopyOptions {
  readonly owner: Owner;
  /** Undefined to keep the original modes. */
  readonly mode: ModeChange | undefined;
}

/** The owner of a file if the list of users is unknown. */
export const UNKNOWN_OWNER: Owner = { uid: -1, gid: -1 };
/** More symbolic links than Linux follows. The limit detects loops. */
const MAX_LINKS = 255;

/** An entry in a base layer. */
export type BaseEntry = Owner & {
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'special';
  /** Relative to the image's root, with `/`; empty for the root itself. */
  readonly path: string;
  readonly mode: number;
  readonly mtime: number;
  readonly target: string;
  readonly attributes: boolean;
  /** The hexadecimal SHA-256 of a file whose content was read. */
  readonly sha256?: string | undefined;
};

/** A layer's entry in the form that a tree expects. */
export function baseEntry({ target = '', type, hasAttributes, ...entry }: ReadEntry): BaseEntry {
  return { ...entry, type, target, attributes: hasAttributes === true };
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * The files of an image during the build. `copy` and `makeFolder` behave like BuildKit's; `changesSince` reports what
 * changed since an earlier clone.
 */
export class FileTree {
  readonly #root: TreeFolder;

  constructor(root: TreeFolder = newFolder(ROOT)) {
    this.#root = root;
  }

  /** An independent copy of the tree. */
  clone(): FileTree {
    return new FileTree(cloneFolder(this.#root));
  }

  /**
   * Copies a file, or the content of a folder, to an absolute path, or into it if it ends in a slash or is a folder.
   * Creates missing parent folders with the owner and mode 0755. Follows symbolic links of the base in the destination.
   * Throws a `PathConflict`.
   */
  copy(source: ContextNode, name: string, destination: string, options: CopyOptions): void {
    const parts = this.#resolve(split(destination));
    if (source.kind === 'folder') {
      this.#copyFolder(source, this.#folderAt(parts, options.owner), parts.join('/'), options);
      return;
    }
    const into = destination.endsWith('/') || this.#nodeAt(parts)?.kind === 'folder';
    const target = into ? [...parts, name] : parts;
    const folder = this.#folderAt(target.slice(0, -1), options.owner);
    putFile(folder, target.at(-1) ?? '', source.file, target.join('/'), options);
  }

  /**
   * Unpacks an archive into the folder at an absolute path, which is created with the owner if missing. Follows links
   * in the path, including at its end. Throws a `PathConflict`.
   */
  unpack(archive: AddedArchive, destination: string, owner: Owner, chown: Owner | undefined): void {
    const parts = this.#resolve(split(destination));
    unpackInto(this.#folderAt(parts, owner), parts, archive, chown);
  }

  /** The copied file at an absolute path, with links followed; undefined if there is none, or only one of the base. */
  fileAt(path: string): ContextFile | undefined {
    const node = this.#nodeAt(this.#resolve(split(path)));
    return node?.kind === 'file' ? node.file : undefined;
  }

  /** Creates a folder and its parents if missing. Throws a `PathConflict`. */
  makeFolder(path: string, owner: Owner): void {
    this.#folderAt(this.#resolve(split(path)), owner);
  }

  /**
   * Applies a layer on top. Its whiteouts remove entries of the layers below, but none of its own. Throws a
   * `PathConflict`.
   * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#applying-changesets
   */
  applyLayer(entries: Iterable<BaseEntry>): void {
    const own = new Set<TreeNode>();
    const told = new Map<TreeFolder, number>();
    for (const { type, path, uid, gid, mode, mtime, target, attributes, sha256 } of entries) {
      const given = [...split(path)];
      const name = given.pop();
      if (name === undefined) continue;
      const folder = this.#folderAt(this.#resolve(given), ROOT);
      // If a layer changes a folder without an entry for it, the folder gets the time of unpacking.
      folder.mtime = undefined;
      if (name === OPAQUE) {
        removeOthers(folder, own);
        continue;
      }
      if (name.startsWith(WHITEOUT)) {
        const gone = name.slice(WHITEOUT.length);
        const node = folder.children.get(gone);
        if (node !== undefined && !own.has(node)) folder.children.delete(gone);
        continue;
      }
      const existing = folder.children.get(name);
      // A hard link may refer to a symbolic link.
      const linked = type === 'link' ? this.#nodeAt(split(target)) : undefined;
      const node: TreeNode =
        type === 'directory'
          ? {
              kind: 'folder',
              uid,
              gid,
              mode,
              mtime,
              ...(attributes && { attributes }),
              children: existing?.kind === 'folder' ? existing.children : new Map(),
            }
          : type === 'symlink'
            ? { kind: 'symlink', uid, gid, mode, target }
            : linked !== undefined && linked.kind !== 'folder'
              ? { ...linked }
              : { kind: 'base-file', uid, gid, mode, sha256, ...(attributes && { attributes }) };
      folder.children.set(name, node);
      own.add(node);
      if (node.kind === 'folder') told.set(node, mtime);
    }
    for (const [folder, mtime] of told) folder.mtime = mtime;
  }

  /** The copied files that still exist, in walk order. */
  ownFiles(): readonly LayerPath[] {
    const files: LayerPath[] = [];
    for (const [path, node] of leavesOf(this.#root)) {
      if (node.kind !== 'file') continue;
      const { uid, gid, mode, file } = node;
      files.push({ path, uid, gid, mode, file });
    }
    return files;
  }

  /** What is at a path, without following links; undefined if nothing is, or if one of its parents isn't a folder. */
  find(path: string): FoundNode | undefined {
    const node = this.#nodeAt(split(path));
    if (node === undefined) return undefined;
    if (node.kind === 'folder') return { kind: 'folder' };
    if (node.kind === 'symlink') return { kind: 'symlink', target: node.target };
    const { uid, gid, mode } = node;
    return node.kind === 'file'
      ? { kind: 'file', uid, gid, mode, sha256: node.file.sha256, attributes: false }
      : { kind: 'file', uid, gid, mode, sha256: node.sha256, attributes: node.attributes === true };
  }

  /** The paths in this tree, except folders, that aren't in `before`, which it was cloned from. In walk order. */
  *leavesSince(before: FileTree): Generator<string> {
    const former = new Set<TreeNode>();
    for (const [, node] of leavesOf(before.#root)) former.add(node);
    for (const [path, node] of leavesOf(this.#root)) if (!former.has(node)) yield path;
  }

  /** Puts another tree on top: its folders' owners and modes win, and its files replace whatever is there. */
  overlay(upper: FileTree): void {
    overlayFolder(this.#root, upper.#root);
  }

  /**
   * The paths that are new or changed since `before`, in walk order, each after its parent folders. Nothing is ever
   * removed. Throws a `PathConflict` for anything that a layer can't contain.
   */
  changesSince(before: FileTree): readonly LayerPath[] {
    return changedPaths(this.#root, before.#root);
  }

  /** Resolves symbolic links in a path inside the image. Parts that don't exist are kept as they are. */
  resolve(path: string): string {
    return `/${this.#resolve(split(path)).join('/')}`;
  }

  /** What is at a path, with links followed: a file of any kind or a folder, and its mode. */
  lookUp(path: string): { readonly kind: 'file' | 'folder'; readonly mode: number } | undefined {
    const node = this.#nodeAt(this.#resolve(split(path)));
    if (node === undefined || node.kind === 'symlink') return undefined;
    return { kind: node.kind === 'folder' ? 'folder' : 'file', mode: node.mode };
  }

  /** Whether a path is a file of the base that no later layer has replaced. */
  isOfBase(path: string): boolean {
    return this.#nodeAt(this.#resolve(split(path)))?.kind === 'base-file';
  }

  // Same as in containerd: https://pkg.go.dev/github.com/containerd/continuity/fs#RootPath
  #resolve(parts: readonly string[]): readonly string[] {
    const left = parts.toReversed();
    const done: string[] = [];
    const nodes: (TreeNode | undefined)[] = [];
    for (let links = 0; left.length > 0; ) {
      const part = left.pop() ?? '';
      if (part === '..') {
        done.pop();
        nodes.pop();
        continue;
      }
      const above = nodes.length === 0 ? this.#root : nodes.at(-1);
      const node = above?.kind === 'folder' ? above.children.get(part) : undefined;
      if (node?.kind !== 'symlink') {
        done.push(part);
        nodes.push(node);
        continue;
      }
      links += 1;
      if (links > MAX_LINKS)
        throw new PathConflict(`/${[...done, part].join('/')} is part of a loop of links`);
      if (node.target.startsWith('/')) {
        done.length = 0;
        nodes.length = 0;
      }
      left.push(...split(node.target).toReversed());
    }
    return done;
  }

  #nodeAt(parts: readonly string[]): TreeNode | undefined {
    let node: TreeNode | undefined = this.#root;
    for (const part of parts) node = node?.kind === 'folder' ? node.children.get(part) : undefined;
    return node;
  }

  #folderAt(parts: readonly string[], owner: Owner): TreeFolder {
    let folder = this.#root;
    for (const [index, part] of parts.entries()) {
      const existing = folder.children.get(part);
      if (existing !== undefined && existing.kind !== 'folder') {
        throw new PathConflict(`/${parts.slice(0, index + 1).join('/')} is a file, expected a folder`);
      }
      const next = existing ?? newFolder(owner);
      if (existing === undefined) put(folder, part, next);
      folder = next;
    }
    return folder;
  }

  #copyFolder(source: ContextFolder, target: TreeFolder, path: string, options: CopyOptions): void {
    for (const [name, child] of source.children) {
      const childPath = path === '' ? name : `${path}/${name}`;
      if (child.kind === 'file') {
        putFile(target, name, child.file, childPath, options);
        continue;
      }
      const existing = target.children.get(name);
      if (existing !== undefined && existing.kind !== 'folder') {
        throw notFolder(`/${childPath}`, existing);
      }
      const folder: TreeFolder = {
        kind: 'folder',
        ...options.owner,
        mode: options.mode?.(child.mode, true) ?? child.mode,
        children: existing?.children ?? new Map(),
        ...(existing?.attributes === true && { attributes: true }),
      };
      if (existing === undefined) put(target, name, folder);
      else target.children.set(name, folder);
      this.#copyFolder(child, folder, childPath, options);
    }
  }
}

/** Resolves a path inside an image; undefined for a loop of links. */
export function resolvedPath(path: string, tree: FileTree): string | undefined {
  try {
    return tree.resolve(path);
  } catch (error) {
    if (error instanceof PathConflict) return undefined;
    throw error;
  }
}

// Like unpackers, this also applies inside folders that the layer itself contains, which may have entries from below.
function removeOthers(folder: TreeFolder, own: ReadonlySet<TreeNode>): void {
  for (const [name, node] of folder.children) {
    if (!own.has(node)) folder.children.delete(name);
    else if (node.kind === 'folder') removeOthers(node, own);
  }
}

function putFile(
  folder: TreeFolder,
  name: string,
  file: ContextFile,
  path: string,
  { owner, mode }: CopyOptions,
): void {
  if (folder.children.get(name)?.kind === 'folder') {
    throw new PathConflict(`/${path} is a folder, expected a file or nothing`);
  }
  put(folder, name, { kind: 'file', ...owner, mode: mode?.(file.mode, false) ?? file.mode, file });
}

function cloneFolder(folder: TreeFolder): TreeFolder {
  const children = new Map<string, TreeNode>();
  for (const [name, child] of folder.children) {
    children.set(name, child.kind === 'folder' ? cloneFolder(child) : child);
  }
  return { ...folder, children };
}

function overlayFolder(lower: TreeFolder, upper: TreeFolder): void {
  for (const [name, child] of upper.children) {
    const existing = lower.children.get(name);
    if (child.kind === 'folder' && existing?.kind === 'folder') {
      const merged: TreeFolder = { ...child, children: existing.children };
      lower.children.set(name, merged);
      overlayFolder(merged, child);
    } else {
      lower.children.set(name, child.kind === 'folder' ? cloneFolder(child) : child);
    }
  }
}

/** Everything but folders, in walk order. A generator, since there may be very many. */
function* leavesOf(
  root: TreeFolder,
): Generator<readonly [path: string, node: Exclude<TreeNode, TreeFolder>]> {
  const left: (readonly [path: string, node: TreeNode])[] = [['', root]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [path, node] = next;
    if (node.kind !== 'folder') {
      yield [path, node];
      continue;
    }
    for (const name of [...node.children.keys()].sort(compareBytes).reverse()) {
      const child = node.children.get(name);
      if (child !== undefined) left.push([path === '' ? name : `${path}/${name}`, child]);
    }
  }
}

function split(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
