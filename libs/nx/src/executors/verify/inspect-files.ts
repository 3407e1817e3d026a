import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ElfErrorCode, LinkageProblem } from '@prebuilt/elf';
import { CHECKSUMS_FILE, parseChecksums } from '../../artifacts/checksums.ts';
import { diskMode, LISTED_FOLDER, type ListedGroup } from '../../artifacts/listed.ts';
import type { PlatformArtifact, RuntimeFile } from '../../artifacts/manifest.ts';
import type { Finding } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { readBoundedFile } from '../../files/bounded-file.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { describeArchive } from '../../image/archives/describe.ts';

/** The problems that verification can find. */
export type FindingCode =
  | ElfErrorCode
  | LinkageProblem['code']
  | 'EXECUTABLE_STACK'
  | 'EXECUTION_FAILED'
  | 'INVALID_CHECKSUMS'
  | 'MISSING_FILE'
  | 'NOT_EXECUTABLE'
  | 'NOT_EXECUTED'
  | 'NOT_REGULAR'
  | 'OTHER_THAN_MANIFEST'
  | 'RPATH'
  | 'RUNPATH'
  | 'TIMEOUT'
  | 'UNEXPECTED_FILE'
  | 'UNEXPECTED_INTERPRETER'
  | 'UNREADABLE'
  | 'WRONG_CHECKSUM'
  | 'WRONG_HASH'
  | 'WRONG_MODE'
  | 'WRONG_SIZE'
  | 'WRONG_VERSION';

/** An error finding on one line, since file names and program output may contain control characters. */
export function failure(code: FindingCode, message: string): Finding {
  return { severity: 'error', code, message: message.replaceAll(/\p{Cc}/gu, ' ') };
}

// Enough to keep the disk busy, but too few to run out of file descriptors.
const MAX_OPEN_FILES = 32;
const MAX_CHECKSUMS_BYTES = 1024 * 1024;

interface ExpectedFile {
  readonly path: string;
  readonly label: string;
  readonly mode: number;
  readonly size: number;
  readonly sha256: string;
}

/** What is known about a file before its content is read. */
export interface FileShape {
  /** Whether it is a regular file, which can be opened without blocking or following a link. */
  readonly regular: boolean;
  readonly findings: readonly Finding[];
  /** Hashes the content. Returns nothing if `findings` already say that the content differs. */
  readonly content: () => Promise<readonly Finding[]>;
}

/** Checks that an executable exists, is a regular file, and has the mode and size in the manifest. */
export function inspectExecutable(artifact: PlatformArtifact, path: string): Promise<FileShape> {
  const { path: label, size, sha256 } = artifact;
  return inspectFile({ path, label, mode: 0o755, size, sha256 });
}

/** Checks that a runtime folder contains exactly the manifest's files, each as described there. */
export async function inspectRuntimeFolder(
  artifact: PlatformArtifact,
  folder: string,
): Promise<readonly Finding[]> {
  const { path: label, files } = artifact.runtime;
  const expected = files.map((file) => expectedRuntimeFile(artifact, folder, file));
  return inspectFolder(folder, label, expected, new Set(files.flatMap(({ path }) => parentsOf(path))));
}

async function inspectFolder(
  folder: string,
  label: string,
  expected: readonly ExpectedFile[],
  folders: ReadonlySet<string>,
): Promise<readonly Finding[]> {
  const listed = new Set(expected.map(({ path }) => path.slice(folder.length + 1)));
  const walked = await walk(folder, label);
  const files: (readonly Finding[])[] = [];
  for (let first = 0; first < expected.length; first += MAX_OPEN_FILES) {
    const some = expected.slice(first, first + MAX_OPEN_FILES).map(async (file) => {
      const shape = await inspectFile(file);
      return [...shape.findings, ...(await shape.content())];
    });
    files.push(...(await Promise.all(some)));
  }
  const extra = walked.entries
    .filter(({ path, isFolder }) => !(isFolder ? folders : listed).has(path))
    .map(({ path }) => failure('UNEXPECTED_FILE', `${label}/${path}: is not in the manifest`));
  return [...walked.findings, ...extra, ...files.flat()];
}

/**
 * Checks that the folder of listed files contains exactly the manifest's files, each as described, down to archive
 * contents.
 */
export async function inspectListed(
  groups: readonly ListedGroup[],
  inputPath: string,
): Promise<readonly Finding[]> {
  const folder = join(inputPath, LISTED_FOLDER);
  const files = groups.flatMap((group) => group.files);
  const present = await lstat(folder).catch(() => undefined);
  // Empty folders get lost in some transfers, so only the manifest has them.
  if (files.length === 0 && present === undefined) return [];
  const expected = files.map(({ path, mode, size, sha256 }) => ({
    path: join(folder, path),
    label: `${LISTED_FOLDER}/${path}`,
    mode: diskMode(mode),
    size,
    sha256,
  }));
  const folders = groups.flatMap((group) => group.folders.map(({ path }) => path));
  const allowed = new Set([...folders, ...[...folders, ...files.map(({ path }) => path)].flatMap(parentsOf)]);
  const findings = await inspectFolder(folder, LISTED_FOLDER, expected, allowed);
  // If a file already differs, what is inside it does not matter.
  return findings.length > 0 ? findings : inspectArchives(groups, folder);
}

async function inspectArchives(groups: readonly ListedGroup[], folder: string): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { origin, files } of groups) {
    if (origin.kind !== 'workspace') continue;
    for (const { path, archive } of files) {
      // Nothing unpacks a refused archive.
      if (archive?.kind === 'refused') continue;
      const found = await describeArchive(join(folder, path));
      if (isDeepStrictEqual(found, archive)) continue;
      const problem = 'its contents, as an archive, differ from the manifest';
      findings.push(failure('OTHER_THAN_MANIFEST', `${LISTED_FOLDER}/${path}: ${problem}`));
    }
  }
  return findings;
}

/** Checks that the checksums list this executable with the manifest's hash, and only executables from the manifest. */
export async function inspectChecksums(
  artifact: PlatformArtifact,
  inputPath: string,
  executables: readonly string[],
): Promise<readonly Finding[]> {
  const path = join(inputPath, CHECKSUMS_FILE);
  try {
    const bytes = await readBoundedFile(path, { maxBytes: MAX_CHECKSUMS_BYTES, code: 'INVALID_CHECKSUMS' });
    if (bytes === undefined)
      return [failure('UNREADABLE', `${CHECKSUMS_FILE}: ENOENT: expected a file, found none`)];
    const checksums = parseChecksums(bytes.toString('utf8'), CHECKSUMS_FILE);
    const listed = checksums.find((each) => each.path === artifact.path)?.sha256 ?? 'nothing';
    const expected = `${artifact.sha256} for ${artifact.path}`;
    return [
      ...(listed === artifact.sha256
        ? []
        : [failure('WRONG_CHECKSUM', `${CHECKSUMS_FILE}: expected ${expected}, found ${listed}`)]),
      ...checksums
        .filter((each) => !executables.includes(each.path))
        .map((each) => failure('WRONG_CHECKSUM', `${CHECKSUMS_FILE}: ${each.path} is not in the manifest`)),
    ];
  } catch (error) {
    if (error instanceof PrebuiltError)
      return [failure('INVALID_CHECKSUMS', error.message.replace(path, CHECKSUMS_FILE))];
    throw error;
  }
}

function parentsOf(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...parentsOf(parent)];
}

function expectedRuntimeFile(artifact: PlatformArtifact, folder: string, file: RuntimeFile): ExpectedFile {
  return {
    path: join(folder, file.path),
    label: `${artifact.runtime.path}/${file.path}`,
    mode: Number.parseInt(file.mode, 8),
    size: file.size,
    sha256: file.sha256,
  };
}

async function inspectFile(expected: ExpectedFile): Promise<FileShape> {
  const { label } = expected;
  const found = await lstat(expected.path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    return unusable(
      found.code === 'ENOENT' || found.code === 'ENOTDIR'
        ? failure('MISSING_FILE', `${label}: expected a file, found none`)
        : failure('UNREADABLE', `${label}: ${found.message}`),
    );
  }
  if (!found.isFile()) {
    const kind = found.isSymbolicLink()
      ? 'a symbolic link'
      : found.isDirectory()
        ? 'a folder'
        : 'a special file';
    return unusable(failure('NOT_REGULAR', `${label}: expected a regular file, found ${kind}`));
  }
  const findings: Finding[] = [];
  const mode = found.mode & 0o7777;
  if (mode !== expected.mode) {
    findings.push(
      failure('WRONG_MODE', `${label}: expected mode ${octal(expected.mode)}, found ${octal(mode)}`),
    );
  }
  if (found.size !== expected.size) {
    findings.push(failure('WRONG_SIZE', `${label}: expected ${expected.size} bytes, found ${found.size}`));
    return { regular: true, findings, content: nothing };
  }
  return { regular: true, findings, content: () => inspectContent(expected) };
}

const nothing = (): Promise<readonly Finding[]> => Promise.resolve([]);

function unusable(finding: Finding): FileShape {
  return { regular: false, findings: [finding], content: nothing };
}

async function inspectContent({ path, label, sha256 }: ExpectedFile): Promise<readonly Finding[]> {
  try {
    const found = await sha256OfFile(path);
    if (found === sha256) return [];
    return [failure('WRONG_HASH', `${label}: expected SHA-256 ${sha256}, found ${found}`)];
  } catch (error) {
    return [failure('UNREADABLE', `${label}: ${(error as Error).message}`)];
  }
}

interface Walked {
  readonly entries: readonly { readonly path: string; readonly isFolder: boolean }[];
  readonly findings: readonly Finding[];
}

// Links count as entries and are not followed.
async function walk(folder: string, label: string): Promise<Walked> {
  const top = await lstat(folder).catch(() => undefined);
  if (top === undefined || !top.isDirectory()) {
    const found = top ? 'something else' : 'none';
    return {
      entries: [],
      findings: [failure('MISSING_FILE', `${label}: expected a folder, found ${found}`)],
    };
  }
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = entries.map((entry) => ({
      path: join(entry.parentPath, entry.name).slice(folder.length + 1),
      isFolder: entry.isDirectory(),
    }));
    return { entries: paths.sort((a, b) => (a.path < b.path ? -1 : 1)), findings: [] };
  } catch (error) {
    return { entries: [], findings: [failure('UNREADABLE', `${label}: ${(error as Error).message}`)] };
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
