import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LISTED_FOLDER, type ListedArchiveEntry, type ListedGroup } from '../artifacts/listed.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { PrebuiltError } from '../errors.ts';
import { describeArchive } from './archives/describe.ts';
import { readContents } from './archives/unpack.ts';
import { type ContextFile, contextOf } from './context.ts';
import { USER_FILES } from './listed/built-ins.ts';

/** The content of some of a context's files, by hexadecimal SHA-256. */
export interface ContextTexts {
  /** Lists of users and groups, to look up names in `--chown` and `USER`. */
  readonly lists: ReadonlyMap<string, string>;
}

/** Larger files aren't lists of users. */
const MAX_LIST_BYTES = 1024 * 1024;

/**
 * Reads the files named `passwd` and `group` in all platforms' contexts and, for a Dockerfile with `ADD`, those inside
 * archives. Skips files that are missing or whose content differs from what was verified; these are refused when
 * packed. Throws `ARTIFACT_CHANGED` for an archive without a description in the manifest, since it would be added
 * unpacked.
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
  if (adds) await checkDescriptions(manifest.files ?? [], inputPath);
  return { lists };
}

async function checkDescriptions(groups: readonly ListedGroup[], inputPath: string): Promise<void> {
  for (const { origin, files } of groups) {
    if (origin.kind !== 'workspace') continue;
    for (const { path, size, archive } of files) {
      const source = join(inputPath, LISTED_FOLDER, path);
      if (archive !== undefined || !(await isThere({ source, size }))) continue;
      if ((await describeArchive(source)) === undefined) continue;
      throw new PrebuiltError(
        'ARTIFACT_CHANGED',
        `${source}: expected the manifest to describe this archive, found no description`,
        { hint: 'It was built by another version: {run build-binaries}, and verify it.' },
      );
    }
  }
}

function isList({ path, size }: Pick<ContextFile, 'path' | 'size'>): boolean {
  return ['passwd', 'group'].includes(basename(path)) && size <= MAX_LIST_BYTES;
}

function listsInside(entries: readonly ListedArchiveEntry[]): readonly string[] {
  return entries.flatMap((entry) => (entry.type === 'file' && isList(entry) ? [entry.sha256] : []));
}

// Anything but a regular file, such as a pipe, might never end.
async function isThere({ source, size }: Pick<ContextFile, 'source' | 'size'>): Promise<boolean> {
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
