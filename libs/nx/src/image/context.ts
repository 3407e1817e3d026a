import { join } from 'node:path';
import { executablesOf, type PlatformArtifact } from '../artifacts/manifest.ts';

/** A file that a Dockerfile can copy: where it is, and the content that it must have. */
export interface ContextFile {
  /** Relative to the context, with `/`. */
  readonly path: string;
  /** The file to read, absolute. */
  readonly source: string;
  readonly mode: 0o644 | 0o755;
  /** Bytes. */
  readonly size: number;
  /** Of the content, in hexadecimal. */
  readonly sha256: string;
}

/** What one platform's image can be built from. */
export interface BuildContext {
  readonly files: readonly ContextFile[];
  /** Folders that are there even where they hold no file. */
  readonly folders: readonly string[];
}

/** A platform's files as a build context: its executables and its runtime folder, as the manifest lists them. */
export function contextOf(artifact: PlatformArtifact, inputPath: string): BuildContext {
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
  return { files: [...executables, ...files], folders: [runtime.path] };
}

/** A folder of a context. */
export interface ContextFolder {
  readonly kind: 'folder';
  readonly children: Map<string, ContextNode>;
}

/** A file or a folder of a context. */
export type ContextNode = ContextFolder | { readonly kind: 'file'; readonly file: ContextFile };

/** The context as a tree of folders, for `COPY` to look its sources up in. */
export function contextTree({ files, folders }: BuildContext): ContextFolder {
  const root: ContextFolder = { kind: 'folder', children: new Map() };
  for (const path of folders) folderAt(root, path.split('/'));
  for (const file of files) {
    const parts = file.path.split('/');
    const name = parts.pop() ?? '';
    const folder = folderAt(root, parts);
    if (folder.children.has(name)) throw new Error(`context: ${file.path} stands twice`);
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

function folderAt(root: ContextFolder, parts: readonly string[]): ContextFolder {
  let folder = root;
  for (const part of parts) {
    const next: ContextNode = folder.children.get(part) ?? { kind: 'folder', children: new Map() };
    if (next.kind === 'file') throw new Error(`context: ${next.file.path} is a file and a folder`);
    folder.children.set(part, next);
    folder = next;
  }
  return folder;
}
