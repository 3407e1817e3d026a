import { compareBytes } from '@prebuilt/oci';
import type { ContextFile, ContextFolder, ContextNode } from './context.ts';
import type { ModeChange } from './file-mode.ts';

/** Who owns a file, and nothing else. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface TreeFile extends Owner {
  readonly kind: 'file';
  readonly mode: number;
  readonly file: ContextFile;
}

interface TreeFolder extends Owner {
  readonly kind: 'folder';
  readonly mode: number;
  readonly children: Map<string, TreeNode>;
}

type TreeNode = TreeFile | TreeFolder;

/** A path of a layer: what was put there, or a folder above it. */
export type LayerPath = Owner & {
  /** Relative to the image's root, with `/`. */
  readonly path: string;
  readonly mode: number;
  /** Absent for a folder. */
  readonly file?: ContextFile;
};

/** How `COPY` sets owner and mode. */
export interface CopyOptions {
  readonly owner: Owner;
  /** They keep their own where it is undefined. */
  readonly mode: ModeChange | undefined;
}

/** A file can't be put where a folder is, or the other way round. */
export class PathConflict extends Error {
  override readonly name = 'PathConflict';
}

const ROOT: Owner = { uid: 0, gid: 0 };

/**
 * The files of an image while it is built. `copy` and `makeFolder` act as BuildKit's do; what one of them changed is
 * told by `changesSince` a clone made before.
 */
export class FileTree {
  readonly #root: TreeFolder;

  constructor(root: TreeFolder = newFolder(ROOT)) {
    this.#root = root;
  }

  /** A tree of its own with the same content. */
  clone(): FileTree {
    return new FileTree(cloneFolder(this.#root));
  }

  /**
   * Copies a file, or the content of a folder, to an absolute path: into it where it ends in a slash or is a
   * folder. Folders on the way are made with the owner and mode 0755. Throws a `PathConflict`.
   */
  copy(source: ContextNode, name: string, destination: string, options: CopyOptions): void {
    const parts = split(destination);
    if (source.kind === 'folder') {
      this.#copyFolder(source, this.#folderAt(parts, options.owner), parts.join('/'), options);
      return;
    }
    const into = destination.endsWith('/') || this.#nodeAt(parts)?.kind === 'folder';
    const target = into ? [...parts, name] : parts;
    const folder = this.#folderAt(target.slice(0, -1), options.owner);
    putFile(folder, target.at(-1) ?? '', source.file, target.join('/'), options);
  }

  /** The file at an absolute path; undefined where there is none. */
  fileAt(path: string): ContextFile | undefined {
    const node = this.#nodeAt(split(path));
    return node?.kind === 'file' ? node.file : undefined;
  }

  /** Makes a folder and those above it where they are missing. Throws a `PathConflict`. */
  makeFolder(path: string, owner: Owner): void {
    this.#folderAt(split(path), owner);
  }

  /** Puts another tree on top: its folders' owners and modes count, and its files replace whatever is there. */
  overlay(upper: FileTree): void {
    overlayFolder(this.#root, upper.#root);
  }

  /**
   * The paths that are new or changed since, each after the folders above it, sorted as a walk of the tree. Nothing
   * is ever removed.
   */
  changesSince(before: FileTree): readonly LayerPath[] {
    return changesOf(this.#root, before.#root, '').paths;
  }

  #nodeAt(parts: readonly string[]): TreeNode | undefined {
    let node: TreeNode | undefined = this.#root;
    for (const part of parts) node = node?.kind === 'folder' ? node.children.get(part) : undefined;
    return node;
  }

  #folderAt(parts: readonly string[], owner: Owner): TreeFolder {
    let folder = this.#root;
    for (const [index, part] of parts.entries()) {
      const next = folder.children.get(part) ?? newFolder(owner);
      if (next.kind === 'file') {
        throw new PathConflict(`/${parts.slice(0, index + 1).join('/')} is a file, expected a folder`);
      }
      folder.children.set(part, next);
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
      if (existing?.kind === 'file') throw new PathConflict(`/${childPath} is a file, expected a folder`);
      const folder: TreeFolder = {
        kind: 'folder',
        ...options.owner,
        mode: options.mode?.(child.mode, true) ?? child.mode,
        children: existing?.children ?? new Map(),
      };
      target.children.set(name, folder);
      this.#copyFolder(child, folder, childPath, options);
    }
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
  folder.children.set(name, { kind: 'file', ...owner, mode: mode?.(file.mode, false) ?? file.mode, file });
}

function newFolder({ uid, gid }: Owner): TreeFolder {
  return { kind: 'folder', uid, gid, mode: 0o755, children: new Map() };
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

function changesOf(
  after: TreeFolder,
  before: TreeFolder | undefined,
  path: string,
): { readonly paths: readonly LayerPath[] } {
  const paths: LayerPath[] = [];
  for (const name of [...after.children.keys()].sort(compareBytes)) {
    const node = after.children.get(name);
    const former = before?.children.get(name);
    if (node === undefined) continue;
    const childPath = path === '' ? name : `${path}/${name}`;
    const { uid, gid, mode } = node;
    const changed = !(former !== undefined && sameNode(node, former));
    if (node.kind === 'file') {
      if (changed) paths.push({ path: childPath, uid, gid, mode, file: node.file });
      continue;
    }
    const inside = changesOf(node, former?.kind === 'folder' ? former : undefined, childPath).paths;
    if (changed || inside.length > 0) paths.push({ path: childPath, uid, gid, mode });
    for (const each of inside) paths.push(each);
  }
  return { paths };
}

function sameNode(a: TreeNode, b: TreeNode): boolean {
  if (a.uid !== b.uid || a.gid !== b.gid || a.mode !== b.mode) return false;
  if (a.kind === 'folder' || b.kind === 'folder') return a.kind === b.kind;
  return a.file.sha256 === b.file.sha256;
}

function split(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '');
}
