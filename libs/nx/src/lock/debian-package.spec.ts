import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeArchive, type SampleArchive, serveArchives } from '../../testing/debian-archive.ts';
import { readDistribution } from './apt.ts';
import { formatContents, hashContents, readContents } from './contents.ts';
import {
  fetchArchives,
  hashEmulator,
  hashPackage,
  lockedEmulators,
  lockedPackage,
} from './debian-package.ts';
import type { DebianPin, EmulatorPin } from './lock.ts';

let folder: string;
let archive: SampleArchive;
let pin: DebianPin;
let cache: string;
let root: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'debian-package-'));
  cache = join(folder, 'cache');
  archive = await makeArchive(folder, 'libsample', {
    'usr/lib/libsample.so.1.0': 'library',
    'usr/lib/libsample.so.1': '-> libsample.so.1.0',
    'usr/bin/sample': 'program',
  });
  const { name: _, file: __, ...rest } = archive;
  pin = { ...rest, contents: await hashPackage(cache, archive, { fetch: serveArchives(archive) }) };
  root = join(cache, 'debian', archive.sha256, 'root');
});
afterEach(() => rm(folder, { recursive: true }));

const open = (fetch = serveArchives()) => lockedPackage(cache, 'libsample', pin, { fetch });

describe('lockedPackage', () => {
  it('returns the files of a fetched package without fetching it again', async () => {
    const { entries } = await open();
    expect(entries.map(({ path }) => path)).toEqual([
      'usr/bin/sample',
      'usr/lib/libsample.so.1',
      'usr/lib/libsample.so.1.0',
      'var/lib/dpkg/status.d/libsample',
    ]);
    expect(await readFile(join(root, 'var/lib/dpkg/status.d/libsample'), 'utf8')).toContain('Version: 1.0-1');
  });

  it('fetches a missing package, and leaves no temporary folder', async () => {
    await rm(cache, { recursive: true });
    await open(serveArchives(archive));
    expect(await readdir(cache)).toEqual(['debian']);
  });

  it('unpacks nothing from an archive that the lock does not pin', async () => {
    await rm(cache, { recursive: true });
    const other = await makeArchive(folder, 'other', { 'usr/bin/other': '' });
    await expect(open(serveArchives({ ...other, name: 'libsample' }))).rejects.toMatchObject({
      code: 'SYSROOT_INTEGRITY',
      message: expect.stringContaining(`expected SHA-256 ${archive.sha256}`),
    });
    expect(await readdir(cache)).toEqual([]);
  });

  it.each<[string, string, () => Promise<unknown>]>([
    [
      'a file with different content of the same size and time',
      'usr/lib/libsample.so.1.0',
      async () => {
        await writeFile(join(root, 'usr/lib/libsample.so.1.0'), 'LIBRARY');
        await utimes(join(root, 'usr/lib/libsample.so.1.0'), 0, 0);
      },
    ],
    ['an additional file', 'usr/lib/extra.so', () => writeFile(join(root, 'usr/lib/extra.so'), '')],
    ['a missing file', 'usr/bin/sample', () => rm(join(root, 'usr/bin/sample'))],
    ['a file made executable', 'usr/bin/sample', () => chmod(join(root, 'usr/bin/sample'), 0o755)],
    [
      'a changed link',
      'usr/lib/libsample.so.1',
      async () => {
        await rm(join(root, 'usr/lib/libsample.so.1'));
        await symlink('/etc/passwd', join(root, 'usr/lib/libsample.so.1'));
      },
    ],
    [
      'a file replaced by a link',
      'usr/bin/sample',
      async () => {
        await rm(join(root, 'usr/bin/sample'));
        await symlink('/bin/true', join(root, 'usr/bin/sample'));
      },
    ],
  ])('refuses %s, and reports its path', async (_, path, tamper) => {
    await tamper();
    await expect(open()).rejects.toMatchObject({
      code: 'SYSROOT_INTEGRITY',
      message: expect.stringContaining(join(root, path)),
    });
  });

  it('does not trust a stored listing that was altered along with the files', async () => {
    await writeFile(join(root, 'usr/bin/sample'), 'PROGRAM');
    await writeFile(join(root, '../contents.txt'), formatContents(await readContents(root)));
    await writeFile(join(root, '../checked.json'), JSON.stringify({ contents: pin.contents }));
    await expect(open()).rejects.toMatchObject({ code: 'SYSROOT_INTEGRITY' });
  });

  it('refuses files that do not match an altered lock', async () => {
    pin = { ...pin, contents: '0'.repeat(64) };
    await expect(open()).rejects.toMatchObject({ code: 'SYSROOT_INTEGRITY' });
  });

  it('hashes freshly unpacked files for the lock, whatever is in the cache', async () => {
    await writeFile(join(root, 'usr/bin/sample'), 'PROGRAM');
    expect(await hashPackage(cache, archive, { fetch: serveArchives(archive) })).toBe(pin.contents);
  });
});

describe('lockedEmulators', () => {
  const emulator = async (): Promise<EmulatorPin> => {
    const { name, file: _, ...rest } = archive;
    const place = { ...rest, package: name, executable: { path: 'usr/bin/sample' } };
    const sha256 = await hashEmulator(cache, place, { fetch: serveArchives(archive) });
    return { ...place, executable: { ...place.executable, sha256 } };
  };

  it('returns a single, executable file', async () => {
    const [path = ''] = await lockedEmulators(cache, [await emulator()], { fetch: serveArchives() });
    expect(await readFile(path, 'utf8')).toBe('program');
  });

  it.each([
    ['a link in its place', 'usr/lib/libsample.so.1'],
    ['nothing in its place', 'usr/bin/qemu'],
  ])('refuses a package with %s, and leaves nothing behind', async (_, path) => {
    const { name, file: __, ...rest } = archive;
    const place = { ...rest, package: name, executable: { path } };
    await expect(hashEmulator(cache, place, { fetch: serveArchives(archive) })).rejects.toMatchObject({
      code: 'SYSROOT',
      message: `libsample 1.0-1: contains no ${path}`,
    });
    expect(await readdir(cache)).toEqual(['debian']);
  });

  it('reports what dpkg-deb says about a package that it cannot read', async () => {
    await writeFile(archive.file, 'not a package');
    const { name, file: _, ...rest } = archive;
    const sha256 = createHash('sha256').update('not a package').digest('hex');
    const place = { ...rest, sha256, package: name, executable: { path: 'usr/bin/sample' } };
    await expect(hashEmulator(cache, place, { fetch: serveArchives(archive) })).rejects.toMatchObject({
      code: 'SYSROOT',
      message: expect.stringContaining('dpkg-deb --fsys-tarfile: '),
    });
  });

  it('fetches an archive with several emulators once', async () => {
    const { executable, ...place } = await emulator();
    const other = { path: 'usr/share/doc/sample/other' };
    archive = await makeArchive(cache, 'several', { [executable.path]: 'program', [other.path]: 'other' });
    const pin = { ...place, package: 'several', sha256: archive.sha256 };
    const pins = [
      { ...pin, executable },
      { ...pin, executable: { ...other, sha256: createHash('sha256').update('other').digest('hex') } },
    ];
    const lines: string[] = [];
    const progress = (line: string) => void lines.push(line);
    const paths = await lockedEmulators(cache, pins, { fetch: serveArchives(archive), progress });
    expect(lines).toEqual(['fetching several 1.0-1 for amd64']);
    expect(await Promise.all(paths.map((path) => readFile(path, 'utf8')))).toEqual(['program', 'other']);
  });

  it('refuses an altered emulator', async () => {
    const wanted = await emulator();
    const [path = ''] = await lockedEmulators(cache, [wanted], { fetch: serveArchives() });
    await writeFile(path, 'PROGRAM');
    await expect(lockedEmulators(cache, [wanted], { fetch: serveArchives() })).rejects.toMatchObject({
      code: 'SYSROOT_INTEGRITY',
      message: expect.stringContaining(path),
    });
  });
});

describe('fetchArchives', () => {
  const served = (answers: Readonly<Record<string, string>>) => {
    const asked: string[] = [];
    const fake = async (url: string | URL | Request): Promise<Response> => {
      asked.push(String(url));
      const answer = answers[String(url)];
      return answer === undefined ? new Response('', { status: 404 }) : new Response(answer);
    };
    return { asked, fake: fake as typeof fetch };
  };
  const wanted = {
    name: 'libc6',
    version: '2.36-9+deb12u10',
    architecture: 'arm64',
    path: 'pool/main/g/glibc/libc6_2.36-9+deb12u10_arm64.deb',
    sha256: '0'.repeat(64),
  };
  const file = () => join(folder, 'archive.deb');

  it("asks the distribution's mirrors for the archive's path", async () => {
    const url = 'https://ports.ubuntu.com/ubuntu-ports/pool/main/g/glibc/libc6_2.36-9%2Bdeb12u10_arm64.deb';
    const { asked, fake } = served({ [url]: 'content' });
    await fetchArchives('ubuntu', { fetch: fake })(wanted, file());
    expect(await readFile(file(), 'utf8')).toBe('content');
    expect(asked.at(-1)).toBe(url);
  });

  it('finds a version that mirrors have dropped in the snapshot archive', async () => {
    const { fake } = served({
      'https://snapshot.debian.org/mr/binary/libc6/2.36-9%2Bdeb12u10/binfiles': JSON.stringify({
        result: [
          { architecture: 'amd64', hash: 'a'.repeat(40) },
          { architecture: 'arm64', hash: 'b'.repeat(40) },
        ],
      }),
      [`https://snapshot.debian.org/file/${'b'.repeat(40)}`]: 'former content',
    });
    await fetchArchives('debian', { fetch: fake })(wanted, file());
    expect(await readFile(file(), 'utf8')).toBe('former content');
  });

  describe("from the machine's own apt sources", () => {
    beforeEach(async ({ skip }) => {
      if (!existsSync('/usr/bin/apt-get')) skipOutsideCi('apt-get is not installed', skip);
      const sources = join(folder, 'sources.list');
      // Without an index.
      await writeFile(sources, `deb [trusted=yes] file:${folder}/mirror ./\n`);
      await mkdir(join(folder, 'mirror/pool'), { recursive: true });
      await copyFile(archive.file, join(folder, 'mirror/pool/libsample.deb'));
      vi.stubEnv('PREBUILT_APT_SOURCES', sources);
    });
    afterEach(() => vi.unstubAllEnvs());

    const fromSources = async (sha256: string) => {
      const { id } = await readDistribution();
      const { fake } = served({});
      const fetchArchive = fetchArchives(id === 'ubuntu' ? 'ubuntu' : 'debian', { fetch: fake });
      await fetchArchive({ ...archive, path: 'pool/libsample.deb', sha256 }, file());
    };

    it('finds an archive by its path, without an index', async () => {
      await fromSources(archive.sha256);
      expect(await readFile(file())).toEqual(await readFile(archive.file));
    });

    it('refuses an archive with another SHA-256', async () => {
      await expect(fromSources('0'.repeat(64))).rejects.toMatchObject({ code: 'SYSROOT_UNAVAILABLE' });
      expect(existsSync(file())).toBe(false);
    });
  });
});

describe('readContents', () => {
  it('gives the same hash for a folder anywhere, and a different one after a name changes', async () => {
    const entries = await readContents(root);
    expect(hashContents(entries)).toBe(pin.contents);
    expect(hashContents(entries.map((entry) => ({ ...entry, path: `${entry.path}x` })))).not.toBe(
      pin.contents,
    );
  });
});
