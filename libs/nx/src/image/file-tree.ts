import { cleanText, compareBytes, type EntryMetadata, type ReadEntry } from '@prebuilt/oci';
import type { ListedArchiveEntry } from '../artifacts/listed.ts';
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
  /** Of a file of an archive, in seconds since 1970; the time of the build otherwise. The names of a hard link share it. */
  readonly mtime?: number | undefined;
}

interface TreeFolder extends Owner {
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
interface TreeBaseFile extends Owner {
  readonly kind: 'base-file';
  readonly mode: number;
  /** Of a regular file whose layer was read with its content, in hexadecimal. */
  readonly sha256?: string | undefined;
  /** Whether it has extended attributes. */
  readonly attributes?: boolean;
}

/** A symbolic link of the base, or of an archive that was unpacked. */
interface TreeSymlink extends Owner {
  readonly kind: 'symlink';
  readonly mode: number;
  readonly target: string;
  /** Of one of an archive, in seconds since 1970. */
  readonly mtime?: number;
}

/** What is at a path where no link is followed. */
export type FoundNode =
  | (Owner & {
      readonly kind: 'file';
      readonly mode: number;
      readonly sha256: string | undefined;
      readonly attributes: boolean;
    })
  | { readonly kind: 'folder' }
  | { readonly kind: 'symlink'; readonly target: string };

type LeafNode = TreeFile | TreeBaseFile | TreeSymlink;
type TreeNode = LeafNode | TreeFolder;

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

/** How `COPY` sets owner and mode. */
export interface CopyOptions {
  readonly owner: Owner;
  /** They keep their own where it is undefined. */
  readonly mode: ModeChange | undefined;
}

/** A file can't be put where a folder is, or the other way round. The message may name paths of a base and be printed. */
export class PathConflict extends Error {
  override readonly name = 'PathConflict';

  constructor(message: string) {
    super(cleanText(message));
  }
}

const ROOT: Owner = { uid: 0, gid: 0 };
/** Of a file whose owner a list says that is not known. */
export const UNKNOWN_OWNER: Owner = { uid: -1, gid: -1 };
/** As many symbolic links as Linux follows, and then some; what leads in circles ends. */
const MAX_LINKS = 255;

/** What a layer of a base puts to a path. */
export type BaseEntry = Owner & {
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'special';
  /** Relative to the image's root, with `/`; empty for the root itself. */
  readonly path: string;
  readonly mode: number;
  readonly mtime: number;
  readonly target: string;
  readonly attributes: boolean;
  /** Of a file whose content was read, in hexadecimal. */
  readonly sha256?: string | undefined;
};

/** An entry of a layer as a tree takes it. */
export function baseEntry({ target = '', type, hasAttributes, ...entry }: ReadEntry): BaseEntry {
  return { ...entry, type, target, attributes: hasAttributes === true };
}

/** How an archive is unpacked. */
export interface UnpackOptions {
  /** Of the folders that are made for the destination. */
  readonly owner: Owner;
  /** Of everything that is in the archive; undefined where each keeps its own. */
  readonly chown: Owner | undefined;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

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
   * folder. Folders on the way are made with the owner and mode 0755; symbolic links of the base are followed, as far
   * as they stand in the destination. Throws a `PathConflict`.
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
   * Unpacks an archive into the folder at an absolute path, which is made where it is missing, links on the way and at its
   * end followed: each entry with its own mode and time, folders that the archive only implies root's. Throws a
   * `PathConflict`, also where an entry leads through a link, or would take the place of a folder or give a folder that
   * of a link: what builders then make of it differs.
   */
  unpack(
    archive: ContextFile,
    entries: readonly ListedArchiveEntry[],
    destination: string,
    { owner, chown }: UnpackOptions,
  ): void {
    const parts = this.#resolve(split(destination));
    const root = this.#folderAt(parts, owner);
    const files = new Map<string, TreeFile>();
    const folders: [TreeFolder, number][] = [];
    for (const entry of entries) {
      const { path, mtime } = entry;
      const { uid, gid } = chown ?? entry;
      const mode = Number.parseInt(entry.mode, 8);
      const above = split(path).slice(0, -1);
      const name = split(path).at(-1) ?? '';
      const absolute = ['', ...parts, path].join('/');
      const folder = innerFolder(root, above, ['', ...parts].join('/'));
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
        throw new PathConflict(
          `${absolute} is a folder, expected none, for the ${entry.type} of the archive`,
        );
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
  }

  /** The file that was put at an absolute path, links followed; undefined where there is none, or one of the base. */
  fileAt(path: string): ContextFile | undefined {
    const node = this.#nodeAt(this.#resolve(split(path)));
    return node?.kind === 'file' ? node.file : undefined;
  }

  /** Makes a folder and those above it where they are missing. Throws a `PathConflict`. */
  makeFolder(path: string, owner: Owner): void {
    this.#folderAt(this.#resolve(split(path)), owner);
  }

  /**
   * Puts a layer of a base on top: its whiteouts take away what the layers below have, and nothing of its own. Throws a
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
      // A folder that a layer changes without naming it gets the time at which it is unpacked.
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
      // A link's other name may be that of a symbolic link.
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

  /** The files that were put here, and are still there, in the order of a walk. */
  ownFiles(): readonly LayerPath[] {
    const files: LayerPath[] = [];
    for (const [path, node] of leavesOf(this.#root)) {
      if (node.kind !== 'file') continue;
      const { uid, gid, mode, file } = node;
      files.push({ path, uid, gid, mode, file });
    }
    return files;
  }

  /** What is at a path, through no link; undefined where there is nothing, or something else than a folder above it. */
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

  /** The paths of all but folders that this tree has and another, which it is a clone of, has not, in the order of a walk. */
  *leavesSince(before: FileTree): Generator<string> {
    const former = new Set<TreeNode>();
    for (const [, node] of leavesOf(before.#root)) former.add(node);
    for (const [path, node] of leavesOf(this.#root)) if (!former.has(node)) yield path;
  }

  /** Puts another tree on top: its folders' owners and modes count, and its files replace whatever is there. */
  overlay(upper: FileTree): void {
    overlayFolder(this.#root, upper.#root);
  }

  /**
   * The paths that are new or changed since, each after the folders above it, sorted as a walk of the tree. Nothing
   * is ever removed. Throws a `PathConflict` for what a layer can't hold.
   */
  changesSince(before: FileTree): readonly LayerPath[] {
    const names: LinkNames = { changed: new Map(), kept: new Map() };
    const paths = changesOf(this.#root, before.#root, '', names);
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

  /** Where a path leads inside the image once its symbolic links are followed; what is not there stays as it is. */
  resolve(path: string): string {
    return `/${this.#resolve(split(path)).join('/')}`;
  }

  /** What the base, or a build, has at a path whose links are followed: a file (of any kind) or folder, and its mode. */
  lookUp(path: string): { readonly kind: 'file' | 'folder'; readonly mode: number } | undefined {
    const node = this.#nodeAt(this.#resolve(split(path)));
    if (node === undefined || node.kind === 'symlink') return undefined;
    return { kind: node.kind === 'folder' ? 'folder' : 'file', mode: node.mode };
  }

  /** Whether what is at a path is a file of the base that no later layer has replaced. */
  isOfBase(path: string): boolean {
    return this.#nodeAt(this.#resolve(split(path)))?.kind === 'base-file';
  }

  // As containerd resolves a path below a root: https://pkg.go.dev/github.com/containerd/continuity/fs#RootPath
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
        throw new PathConflict(`/${[...done, part].join('/')} is a link that leads in circles`);
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

function notFolder(path: string, node: Exclude<TreeNode, TreeFolder>): PathConflict {
  const found = node.kind === 'symlink' ? `a symbolic link to ${JSON.stringify(node.target)}` : 'a file';
  return new PathConflict(`${path} is ${found}, expected a folder`);
}

/** Where a path leads inside an image; undefined where its links lead in circles. */
export function resolvedPath(path: string, tree: FileTree): string | undefined {
  try {
    return tree.resolve(path);
  } catch (error) {
    if (error instanceof PathConflict) return undefined;
    throw error;
  }
}

// As unpackers do it, also in folders that the layer names as well: they have what the layers below have in them.
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

// A folder's time is that of the last name that came into it or left it.
function put(folder: TreeFolder, name: string, node: TreeNode): void {
  folder.children.set(name, node);
  folder.mtime = undefined;
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

/** All but folders, in the order of a walk. Nothing is held of those that were given: there may be very many. */
function* leavesOf(root: TreeFolder): Generator<readonly [path: string, node: LeafNode]> {
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

function sameNode(a: TreeNode, b: TreeNode): boolean {
  if (a === b) return true;
  if (a.uid !== b.uid || a.gid !== b.gid || a.mode !== b.mode) return false;
  if (a.kind === 'folder') return b.kind === 'folder';
  if (a.kind === 'symlink')
    return b.kind === 'symlink' && a.target === b.target && a.mtime !== undefined && a.mtime === b.mtime;
  return a.kind === 'file' && b.kind === 'file' && a.file.sha256 === b.file.sha256 && a.mtime === b.mtime;
}

function split(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
