import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { openApt, readDistribution } from './apt.ts';
import { type Entry, formatContents, hashContents, readContents } from './contents.ts';
import { checkEmulator, emulatorPath } from './emulator.ts';
import { type DebianPin, type EmulatorPin, LOCK_COMMAND, LOCK_FILE, type Lock } from './lock.ts';
import { downloadArchive, type WantedArchive } from './mirrors.ts';

/** An archive with the SHA-256 that it has to have. */
export interface PinnedArchive extends WantedArchive {
  readonly sha256: string;
}

/** Puts an archive's bytes into a file. What it writes is checked before anything is unpacked. */
export type FetchArchive = (archive: PinnedArchive, file: string) => Promise<void>;

/** How archives are fetched, and where progress is told. */
export interface ArchiveOptions {
  readonly fetch: FetchArchive;
  readonly progress?: (line: string) => void;
}

/** A package's files, unpacked, each as the lock says. */
export interface UnpackedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The folder that holds them at their final paths. */
  readonly root: string;
  readonly entries: readonly Entry[];
}

const LIST = 'contents.txt';

/**
 * A locked package's files, fetched where they are not there yet. All of them were read in full just now, and their
 * list has the SHA-256 that is in the lock. Throws `SYSROOT_INTEGRITY` for any other content, and
 * `SYSROOT_UNAVAILABLE` where no mirror gives the archive.
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
    `${changed === undefined ? root : join(root, changed)}: is not what ${LOCK_FILE} pins for ${name} ${pin.version} of ${pin.architecture}`,
    { hint: `A file or the lock was changed, and nothing of it was used. Remove ${folder} and build again.` },
  );
}

/** Fetches a package whose inside no lock knows yet, and gives the SHA-256 of the list of its files. */
export async function hashPackage(
  cacheFolder: string,
  archive: PinnedArchive,
  options: ArchiveOptions,
): Promise<string> {
  const folder = join(cacheFolder, 'debian', archive.sha256);
  // Only what was just unpacked from a checked archive may say what the lock will hold.
  await rm(folder, { recursive: true, force: true });
  return hashContents(await unpackInto(cacheFolder, folder, archive, options));
}

/** The path of a locked emulator, fetched where it is not there yet, and checked just now. Throws as `lockedPackage`. */
export async function lockedEmulator(
  cacheFolder: string,
  pin: EmulatorPin,
  options: ArchiveOptions,
): Promise<string> {
  const path = emulatorPath(cacheFolder, pin);
  if (!existsSync(path)) await hashEmulator(cacheFolder, pin, options);
  return checkEmulator(path, pin);
}

/** Fetches the one file of an emulator's archive into the cache, and gives its SHA-256. Throws as `lockedPackage`. */
export async function hashEmulator(
  cacheFolder: string,
  pin: Omit<EmulatorPin, 'executable'> & { readonly executable: { readonly path: string } },
  options: ArchiveOptions,
): Promise<string> {
  const path = join(cacheFolder, 'emulators', pin.sha256, pin.executable.path);
  return withArchive(cacheFolder, { ...pin, name: pin.package }, options, async (archive, temporary) => {
    const root = join(temporary, 'root');
    await runDpkg(['--extract', archive, root]);
    const source = join(root, pin.executable.path);
    if (!existsSync(source)) {
      throw new PrebuiltError('SYSROOT', `${pin.package} ${pin.version}: holds no ${pin.executable.path}`);
    }
    const staged = join(temporary, 'executable');
    await copyFile(source, staged);
    await chmod(staged, 0o755);
    const sha256 = await sha256OfFile(staged);
    await mkdir(dirname(path), { recursive: true });
    await rename(staged, path);
    return sha256;
  });
}

/** Archives from the machine's apt where it serves the lock's distribution, else from the public mirrors. */
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
        const apt = await openApt(
          folder,
          archive.architecture === 'all' ? 'amd64' : archive.architecture,
          options.signal,
        );
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
      `${archive.name} ${archive.version} for ${archive.architecture}: no mirror has it:\n${reasons.map((reason) => `  ${reason}`).join('\n')}`,
      {
        hint: `It is fetched once and then kept. Build once while a mirror can be reached, or move the lock to newer packages: ${LOCK_COMMAND} --refresh`,
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
    // Where scanners look for the packages of an image without dpkg.
    await mkdir(join(root, 'var/lib/dpkg/status.d'), { recursive: true });
    const control = await runDpkg(['--field', file]);
    await writeFile(join(root, 'var/lib/dpkg/status.d', archive.name), `${control}\n`);
    const entries = await readContents(root);
    await writeFile(join(unpacked, LIST), formatContents(entries));
    await mkdir(dirname(folder), { recursive: true });
    await rename(unpacked, folder).catch((error: NodeJS.ErrnoException) => {
      // Another build was faster; what it put there is checked like any other.
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
        `${archive.name} ${archive.version} for ${archive.architecture}: expected SHA-256 ${archive.sha256}, as ${LOCK_FILE} pins it, found ${found}`,
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
  if (result.code === 'ENOENT') {
    throw new PrebuiltError('SYSROOT', 'dpkg-deb: not found; it unpacks Debian packages', {
      hint: 'Install it (apt-get install dpkg, dnf install dpkg, brew install dpkg), or give a folder: --sysroot=FOLDER.',
    });
  }
  throw new PrebuiltError('SYSROOT', `dpkg-deb ${args[0]}: ${result.stderr || result.shortMessage}`);
}

// The list beside the files only serves to name one: it counts where it is the locked one itself.
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
