import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeArchive, type SampleArchive, serveArchives } from '../../../testing/debian-archive.ts';
import { parsePlatform } from '../../artifacts/platform.ts';
import { lockedPackage } from '../../lock/debian-package.ts';
import { withResolver } from './resolve.ts';

let folder: string;
let cache: string;
let archives: readonly SampleArchive[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'resolve-'));
  cache = join(folder, 'cache');
  archives = [
    await makeArchive(folder, 'libsample', { 'usr/lib/libsample.so.1': 'library' }),
    await makeArchive(folder, 'qemu-user-static', { 'usr/bin/qemu-aarch64-static': '-> qemu-aarch64' }),
    await makeArchive(folder, 'qemu-user', { 'usr/bin/qemu-aarch64': 'emulator' }),
  ];
  // A flat repository. https://wiki.debian.org/DebianRepository/Format#Flat_Repository_Format
  const entries = archives.map(
    async ({ name, version, architecture, sha256, file }) =>
      `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nFilename: ./${name}.deb\nSize: ${(await stat(file)).size}\nSHA256: ${sha256}\n`,
  );
  await writeFile(join(folder, 'Packages'), (await Promise.all(entries)).join('\n'));
  await writeFile(join(folder, 'sources.list'), `deb [trusted=yes] file:${folder} ./\n`);
  vi.stubEnv('PREBUILT_APT_SOURCES', join(folder, 'sources.list'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const resolve = <T>(work: Parameters<typeof withResolver<T>>[3]): Promise<T> =>
  withResolver(cache, join(folder, 'lock-'), () => {}, work);

describe.skipIf(!existsSync('/usr/bin/apt-get'))("withResolver with the machine's own apt", () => {
  it('returns pins that let a build find exactly that package', async () => {
    const { libsample: pin } = await resolve((resolver) => resolver.packages('amd64', ['libsample']));
    if (pin === undefined) throw new Error('no pin');
    expect(pin).toMatchObject({ version: '1.0-1', architecture: 'amd64', sha256: archives[0]?.sha256 });
    const { entries } = await lockedPackage(cache, 'libsample', pin, { fetch: serveArchives() });
    expect(entries.map(({ path }) => path)).toContain('usr/lib/libsample.so.1');
    expect((await readdir(folder)).filter((name) => name.startsWith('lock-'))).toEqual([]);
  });

  it('finds an emulator whose package only links to the package with the file', async () => {
    const pin = await resolve((resolver) =>
      resolver.emulator(parsePlatform('linux/amd64'), parsePlatform('linux/arm64')),
    );
    expect(pin).toMatchObject({ package: 'qemu-user', executable: { path: 'usr/bin/qemu-aarch64' } });
  });

  it('refuses an archive that does not match the index', async () => {
    await appendFile(archives[0]?.file ?? '', 'more');
    await expect(resolve((resolver) => resolver.packages('amd64', ['libsample']))).rejects.toMatchObject({
      code: 'SYSROOT',
    });
    expect(existsSync(join(cache, 'debian', archives[0]?.sha256 ?? ''))).toBe(false);
  });

  it('names a package that is not in the index', async () => {
    await expect(resolve((resolver) => resolver.packages('amd64', ['libabsent']))).rejects.toMatchObject({
      code: 'SYSROOT',
      message: expect.stringContaining('libabsent'),
    });
  });
});
