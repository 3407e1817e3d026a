import { join } from 'node:path';
import type { ListedArchive } from '../artifacts/listed.ts';
import { executablesOf, type ListedGroup, type PlatformArtifact } from '../artifacts/manifest.ts';
import { listedContext } from './listed/context.ts';

/** A file that a Dockerfile can copy: its location and expected content. */
export interface ContextFile {
  /** Relative to the context, with `/`. */
  readonly path: string;
  /** The absolute path of the file to read. */
  readonly source: string;
  readonly mode: number;
  /** In bytes. */
  readonly size: number;
  /** The hexadecimal SHA-256 of the content. */
  readonly sha256: string;
  /** The content of a file written inline in the Dockerfile; `source` then describes the place. */
  readonly content?: string | undefined;
  /** The archive's description, if the file is one. */
  readonly archive?: ListedArchive | undefined;
  /** The archive that contains the file; `path` then continues inside the archive. */
  readonly inside?: { readonly path: string; readonly source: string; readonly sha256: string } | undefined;
}

/** The files that one platform's image can be built from. */
export interface BuildContext {
  readonly files: readonly ContextFile[];
  /** Folders that exist even if empty, and those with a mode other than 0755. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[];
}

/**
 * A platform's build context according to the manifest: its executables, its runtime folder, and the listed files,
 * which all platforms share.
 */
export function contextOf(
  artifact: PlatformArtifact,
  inputPath: string,
  groups: readonly ListedGroup[] = [],
): BuildContext {
  const { runtime } = artifact;
  const executables = executablesOf(artifact).map(
    ({ path, size, sha256 }): ContextFile => ({
      path,
      source: join(inputPath, path),
      mode: 0o755,
      size,
      sha256,
    }),
  );
  const files = runtime.files.map((file): ContextFile => {
    const inner = `${runtime.path}/${file.path}`;
    const mode = file.mode === '0755' ? 0o755 : 0o644;
    return { path: inner, source: join(inputPath, inner), mode, size: file.size, sha256: file.sha256 };
  });
  const listed = listedContext(groups, inputPath);
  return {
    files: [...executables, ...files, ...listed.files],
    folders: [{ path: runtime.path, mode: 0o755 }, ...listed.folders],
  };
}

/** A folder in a context. */
export interface ContextFolder {
  readonly kind: 'folder';
  readonly mode: number;
  readonly children: Map<string, ContextNode>;
}

/** A file or folder in a context. */
export type ContextNode = ContextFolder | { readonly kind: 'file'; readonly file: ContextFile };

/** The context as a tree, for looking up the sources of `COPY`. */
export function contextTree({ files, folders }: BuildContext): ContextFolder {
  const modes = new Map(folders.map(({ path, mode }) => [path, mode]));
  const root: ContextFolder = { kind: 'folder', mode: 0o755, children: new Map() };
  for (const { path } of folders) folderAt(root, path.split('/'), modes);
  for (const file of files) {
    const parts = file.path.split('/');
    const name = parts.pop() ?? '';
    const folder = folderAt(root, parts, modes);
    if (folder.children.has(name)) throw new Error(`context: ${file.path} is given twice`);
    folder.children.set(name, { kind: 'file', file });
  }
  return root;
}

/** The node at a path relative to the context; undefined if there is none. */
export function contextNode(root: ContextFolder, path: string): ContextNode | undefined {
  let node: ContextNode | undefined = root;
  for (const part of path.split('/').filter((each) => each !== '' && each !== '.')) {
    node = node?.kind === 'folder' ? node.children.get(part) : undefined;
  }
  return node;
}

function folderAt(
  root: ContextFolder,
  parts: readonly string[],
  modes: ReadonlyMap<string, number>,
): ContextFolder {
  let folder = root;
  for (const [index, part] of parts.entries()) {
    const mode = modes.get(parts.slice(0, index + 1).join('/')) ?? 0o755;
    const next: ContextNode = folder.children.get(part) ?? { kind: 'folder', mode, children: new Map() };
    if (next.kind === 'file') throw new Error(`context: ${next.file.path} is both a file and a folder`);
    folder.children.set(part, next);
    folder = next;
  }
  return folder;
}
