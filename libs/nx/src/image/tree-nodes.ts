import { cleanText } from '@prebuilt/oci';
import type { ContextFile } from './context.ts';

/** Who owns a file, and nothing else. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Who owns what nobody else does. */
export const ROOT: Owner = { uid: 0, gid: 0 };

/** A file that was copied, unpacked or written in the Dockerfile. */
export interface TreeFile extends Owner {
  readonly kind: 'file';
  readonly mode: number;
  readonly file: ContextFile;
  /** Of a file of an archive, in seconds since 1970; the time of the build otherwise. The names of a hard link share it. */
  readonly mtime?: number | undefined;
}

/** A folder, with what is in it by name. */
export interface TreeFolder extends Owner {
  readonly kind: 'folder';
  readonly mode: number;
  readonly children: Map<string, TreeNode>;
  /**
   * Of a folder of the base or of an archive in which nothing was changed since, in seconds since 1970; the time of the
   * build otherwise.
   */
  mtime?: number | undefined;
  /** Whether it has extended attributes in the base. */
  readonly attributes?: boolean;
}

/** What a layer of a base has, and this tree only knows of: a file, a link's other name, a device. */
export interface TreeBaseFile extends Owner {
  readonly kind: 'base-file';
  readonly mode: number;
  /** Of a regular file whose layer was read with its content, in hexadecimal. */
  readonly sha256?: string | undefined;
  /** Whether it has extended attributes. */
  readonly attributes?: boolean;
}

/** A symbolic link of the base, or of an archive that was unpacked. */
export interface TreeSymlink extends Owner {
  readonly kind: 'symlink';
  readonly mode: number;
  readonly target: string;
  /** Of one of an archive, in seconds since 1970. */
  readonly mtime?: number;
}

/** What may be at a path. */
export type TreeNode = TreeFile | TreeFolder | TreeBaseFile | TreeSymlink;

/** A file can't be put where a folder is, or the other way round. The message may name paths of a base and be printed. */
export class PathConflict extends Error {
  override readonly name = 'PathConflict';

  constructor(message: string) {
    super(cleanText(message));
  }
}

/** Puts something into a folder, whose time is then that of the build. */
export function put(folder: TreeFolder, name: string, node: TreeNode): void {
  folder.children.set(name, node);
  folder.mtime = undefined;
}

/** An empty folder of mode 0755. */
export function newFolder({ uid, gid }: Owner): TreeFolder {
  return { kind: 'folder', uid, gid, mode: 0o755, children: new Map() };
}

/** What is said about something that is in place of a folder. */
export function notFolder(path: string, node: Exclude<TreeNode, TreeFolder>): PathConflict {
  const found = node.kind === 'symlink' ? `a symbolic link to ${JSON.stringify(node.target)}` : 'a file';
  return new PathConflict(`${path} is ${found}, expected a folder`);
}
