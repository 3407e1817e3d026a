import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeArchive, type SampleArchive, serveArchives } from '../../../testing/debian-archive.ts';
import { hostPlatform } from '../../artifacts/platform.ts';
import { hashEmulator, hashPackage } from '../../lock/debian-package.ts';
import { emulatorPath } from '../../lock/emulator.ts';
import type { Lock } from '../../lock/lock.ts';
import { fetchLocked } from './fetch-locked.ts';

const host = hostPlatform(process.platform, process.arch) ?? '';
let folder: string;
let archive: SampleArchive;
let lock: Lock;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fetch-locked-'));
  archive = await makeArchive(folder, 'sample', { 'usr/bin/qemu': 'emulator' });
  const { name, file: _, ...pin } = archive;
  const options = { fetch: serveArchives(archive) };
  const emulator = { ...pin, package: name, executable: { path: 'usr/bin/qemu' } };
  const sha256 = await hashEmulator(folder, emulator, options);
  const package_ = { ...pin, contents: await hashPackage(folder, archive, options) };
  lock = {
    lockVersion: 1,
    sysroots: { 'linux/s390x': { [name]: package_ } },
    data: { [name]: package_ },
    emulators: {
      [host]: { 'linux/s390x': { ...emulator, executable: { ...emulator.executable, sha256 } } },
    },
  };
});
afterEach(() => rm(folder, { recursive: true }));

describe('fetchLocked', () => {
  it('reports what is there, and needs no network for what is already fetched', async () => {
    const lines: string[] = [];
    await fetchLocked(lock, folder, (line) => lines.push(line));
    expect(lines).toEqual([
      'sysroot linux/s390x: sample 1.0-1',
      'data: sample 1.0-1',
      expect.stringMatching(/^emulator linux\/s390x: .*usr\/bin\/qemu$/),
    ]);
  });

  it.each([
    ['a file in a package', () => join(folder, 'debian', archive.sha256, 'root/usr/bin/qemu')],
    [
      'an emulator',
      () =>
        emulatorPath(folder, { sha256: archive.sha256, executable: { path: 'usr/bin/qemu', sha256: '' } }),
    ],
  ])('refuses %s that was altered after fetching', async (_, file) => {
    await writeFile(file(), 'altered');
    await expect(fetchLocked(lock, folder, () => {})).rejects.toMatchObject({
      code: 'SYSROOT_INTEGRITY',
      message: expect.stringContaining(file()),
    });
  });
});
