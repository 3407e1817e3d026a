import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ListedArchiveEntry } from '../artifacts/listed.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { readContents } from './archives/unpack.ts';
import { type ContextFile, contextOf } from './context.ts';
import { USER_FILES } from './listed/built-ins.ts';

/** What is known about the content of a context's files, by their SHA-256 in hexadecimal. */
export interface ContextTexts {
  /** Lists of users and groups, for names in `--chown` and `USER`. */
  readonly lists: ReadonlyMap<string, string>;
}

/** No list of users is larger. */
const MAX_LIST_BYTES = 1024 * 1024;

/**
 * Reads the files named `passwd` and `group` of all platforms' contexts, and, for a Dockerfile with `ADD`, those inside
 * archives. Files that are gone or have another content than was verified are left out: whoever packs them refuses them.
 */
export async function readContextTexts(
  manifest: Manifest,
  inputPath: string,
  dockerfile: Uint8Array | undefined,
): Promise<ContextTexts> {
  const lists = new Map(
    USER_FILES.map(({ content }) => [sha256Of(Buffer.from(content)), String(content)] as const),
  );
  const files = new Map(
    manifest.platforms.flatMap((artifact) =>
      contextOf(artifact, inputPath, manifest.files).files.map((file) => [file.source, file] as const),
    ),
  );
  const adds = dockerfile !== undefined && /^\s*ADD\s/im.test(Buffer.from(dockerfile).toString('latin1'));
  for (const file of files.values()) {
    const wanted = new Set([
      ...(isList(file) ? [file.sha256] : []),
      ...(adds && file.archive?.kind === 'entries' ? listsInside(file.archive.entries) : []),
    ]);
    if (wanted.size === 0 || !(await isThere(file))) continue;
    const contents = isList(file)
      ? [await unlessGone(readFile(file.source))]
      : await unlessGone(readContents(file.source, (path, size) => isList({ path, size })));
    for (const content of contents ?? []) {
      const sha256 = content === undefined ? '' : sha256Of(content);
      if (wanted.has(sha256)) lists.set(sha256, (content ?? Buffer.alloc(0)).toString('utf8'));
    }
  }
  return { lists };
}

function isList({ path, size }: Pick<ContextFile, 'path' | 'size'>): boolean {
  return ['passwd', 'group'].includes(basename(path)) && size <= MAX_LIST_BYTES;
}

function listsInside(entries: readonly ListedArchiveEntry[]): readonly string[] {
  return entries.flatMap((entry) => (entry.type === 'file' && isList(entry) ? [entry.sha256] : []));
}

// What is not a file, such as a pipe, might never end.
async function isThere({ source, size }: ContextFile): Promise<boolean> {
  const found = await unlessGone(lstat(source));
  return found?.isFile() === true && found.size === size;
}

async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
