import { createHash } from 'node:crypto';
import { lstat, open, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Manifest } from '../artifacts/manifest.ts';
import { type ContextFile, contextOf } from './context.ts';
import { USER_FILES } from './listed/built-ins.ts';

/** What is known about the content of a context's files, by their SHA-256 in hexadecimal. */
export interface ContextTexts {
  /** Lists of users and groups, for names in `--chown` and `USER`. */
  readonly lists: ReadonlyMap<string, string>;
  /** What `ADD` would unpack, or might. */
  readonly archives: ReadonlySet<string>;
}

/** No list of users is larger. */
const MAX_LIST_BYTES = 1024 * 1024;
const BLOCK = 512;
const COMPRESSED = [
  Buffer.from([0x1f, 0x8b]),
  Buffer.from('BZh'),
  Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
  Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
];

/**
 * Reads the files named `passwd` and `group` of all platforms' contexts, and, for a Dockerfile with `ADD`, which files
 * look like an archive. Files that are gone or have another content than was verified are left out: whoever packs them
 * refuses them.
 */
export async function readContextTexts(
  manifest: Manifest,
  inputPath: string,
  dockerfile: Uint8Array | undefined,
): Promise<ContextTexts> {
  const lists = new Map(
    USER_FILES.map(({ content }) => [sha256Of(Buffer.from(content)), String(content)] as const),
  );
  const archives = new Set<string>();
  const files = new Map(
    manifest.platforms.flatMap((artifact) =>
      contextOf(artifact, inputPath, manifest.files).files.map((file) => [file.source, file] as const),
    ),
  );
  const adds = dockerfile !== undefined && /^\s*ADD\s/im.test(Buffer.from(dockerfile).toString('latin1'));
  for (const file of files.values()) {
    const isList = ['passwd', 'group'].includes(basename(file.path)) && file.size <= MAX_LIST_BYTES;
    if (!(isList || adds) || !(await isThere(file))) continue;
    if (isList) {
      const content = await unlessGone(readFile(file.source));
      if (content !== undefined && sha256Of(content) === file.sha256) {
        lists.set(file.sha256, content.toString('utf8'));
      }
    }
    if (adds && (await isArchive(file))) archives.add(file.sha256);
  }
  return { lists, archives };
}

// What is not a file, such as a pipe, might never end.
async function isThere({ source, size }: ContextFile): Promise<boolean> {
  const found = await unlessGone(lstat(source));
  return found?.isFile() === true && found.size === size;
}

// A compressed file that holds no archive would be copied; nobody needs ADD for that.
async function isArchive({ source }: ContextFile): Promise<boolean> {
  const file = await unlessGone(open(source));
  if (file === undefined) return false;
  try {
    const head = Buffer.alloc(BLOCK);
    const { bytesRead } = await file.read(head, 0, BLOCK, 0);
    const found = head.subarray(0, bytesRead);
    return COMPRESSED.some((magic) => found.subarray(0, magic.length).equals(magic)) || isTarHeader(found);
  } finally {
    await file.close();
  }
}

// By its checksum, which archives from before POSIX have as well.
function isTarHeader(head: Buffer): boolean {
  if (head.length < BLOCK) return false;
  const told = /^ *([0-7]+)/.exec(head.toString('latin1', 148, 156))?.[1];
  const sum = head.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return told !== undefined && Number.parseInt(told, 8) === sum;
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
