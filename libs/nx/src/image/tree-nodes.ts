import { cleanText } from '@prebuilt/oci';
import type { ContextFile } from './context.ts';

/** The owner of a file. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The default owner. */
export const ROOT: Owner = { uid: 0, gid: 0 };

/** A file that was copied, unpacked or written inline in the Dockerfile. */
export interface TreeFile extends Owner {
  readonly kind: 'file';
  readonly mode: number;
  readonly file: ContextFile;
  /** In seconds since 1970, for a file from an archive; otherwise, the build's time applies. Hard links share it. */
  readonly mtime?: number | undefined;
}

/** A folder and its children by name. */
export interface TreeFolder extends Owner {
  readonly kind: 'folder';
  readonly mode: number;
  readonly children: Map<string, TreeNode>;
  /**
   * In seconds since 1970, for a folder of the base or from an archive whose content hasn't changed since; otherwise,
   * the build's time applies.
   */
  mtime?: number | undefined;
  /** Whether it has extended attributes in the base. */
  readonly attributes?: boolean;
}

/** An entry of a base layer, without its content: a file, a hard link or a device. */
export interface TreeBaseFile extends Owner {
  readonly kind: 'base-file';
  readonly mode: number;
  /** The hexadecimal SHA-256 of a regular file, if its content was read with the layer. */
  readonly sha256?: string | undefined;
  /** Whether it has extended attributes. */
  readonly attributes?: boolean;
}

/** A symbolic link from the base or an unpacked archive. */
export interface TreeSymlink extends Owner {
  readonly kind: 'symlink';
  readonly mode: number;
  readonly target: string;
  /** In seconds since 1970, for a link from an archive. */
  readonly mtime?: number;
}

/** Anything that can be at a path. */
export type TreeNode = TreeFile | TreeFolder | TreeBaseFile | TreeSymlink;

/** A file would replace a folder, or vice versa. The message is cleaned, since it may contain paths from a base. */
export class PathConflict extends Error {
  override readonly name = 'PathConflict';

  constructor(message: string) {
    super(cleanText(message));
  }
}

/** Adds a node to a folder, whose time then becomes the build's. */
export function put(folder: TreeFolder, name: string, node: TreeNode): void {
  folder.children.set(name, node);
  folder.mtime = undefined;
}

/** An empty folder with mode 0755. */
export function newFolder({ uid, gid }: Owner): TreeFolder {
  return { kind: 'folder', uid, gid, mode: 0o755, children: new Map() };
}

/** The error for something that is not a folder, but should be. */
export function notFolder(path: string, node: Exclude<TreeNode, TreeFolder>): PathConflict {
  const found = node.kind === 'symlink' ? `a symbolic link to ${JSON.stringify(node.target)}` : 'a file';
  return new PathConflict(`${path} is ${found}, expected a folder`);
}
