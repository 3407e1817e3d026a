import { join } from 'node:path';
import type { ListedArchive } from '../artifacts/listed.ts';
import { executablesOf, type ListedGroup, type PlatformArtifact } from '../artifacts/manifest.ts';
import { listedContext } from './listed/context.ts';

/** A file that a Dockerfile can copy: where it is, and the content that it must have. */
export interface ContextFile {
  /** Relative to the context, with `/`. */
  readonly path: string;
  /** The file to read, absolute. */
  readonly source: string;
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Of the content, in hexadecimal. */
  readonly sha256: string;
  /** The content itself, of a file that is written in the Dockerfile; `source` then says where. */
  readonly content?: string | undefined;
  /** What is in it, where it is an archive. */
  readonly archive?: ListedArchive | undefined;
  /** The archive that it comes out of; `path` then continues inside of that. */
  readonly inside?: { readonly path: string; readonly source: string; readonly sha256: string } | undefined;
}

/** What one platform's image can be built from. */
export interface BuildContext {
  readonly files: readonly ContextFile[];
  /** Folders that are there even where they hold no file, and those with another mode than 0755. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[];
}

/**
 * A platform's files as a build context: its executables, its runtime folder and the listed files of all platforms, as
 * the manifest has them.
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

/** A folder of a context. */
export interface ContextFolder {
  readonly kind: 'folder';
  readonly mode: number;
  readonly children: Map<string, ContextNode>;
}

/** A file or a folder of a context. */
export type ContextNode = ContextFolder | { readonly kind: 'file'; readonly file: ContextFile };

/** The context as a tree of folders, for `COPY` to look its sources up in. */
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

/** The node at a path relative to the context; undefined where there is none. */
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
    if (next.kind === 'file') throw new Error(`context: ${next.file.path} is a file and a folder`);
    folder.children.set(part, next);
    folder = next;
  }
  return folder;
}
