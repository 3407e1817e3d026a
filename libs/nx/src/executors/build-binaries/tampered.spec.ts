import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../../testing/fixture-workspace.ts';
import { lockedSysroot } from '../../../testing/locked-sysroot.ts';
import { hostPlatform, parsePlatform } from '../../artifacts/platform.ts';
import { CACHE_FOLDER, formatLock, LOCK_FILE, type Lock, readLock } from '../../lock/lock.ts';
import { bunPackagesFor } from '../../toolchains/bun.ts';
import buildBinaries from './executor.ts';
import type { BuildBinariesOptions } from './options.ts';

const host = parsePlatform(hostPlatform(process.platform, process.arch) ?? '');
const other = parsePlatform(host === 'linux/amd64' ? 'linux/arm64' : 'linux/amd64');
const sha256Of = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tampered-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Builds, and returns what the user sees. */
async function build(
  options: Pick<BuildBinariesOptions, 'toolchain' | 'platforms'>,
): Promise<{ readonly success: boolean; readonly said: string }> {
  const lines: string[] = [];
  const { error } = console;
  console.error = (line: string) => void lines.push(line);
  try {
    const all = { name: 'x', outputPath: 'dist/bin', sysrootPackages: [], dryRun: false, ...options };
    const { success } = await buildBinaries(all, { root } as Parameters<typeof buildBinaries>[1]);
    return { success, said: lines.join('\n') };
  } finally {
    console.error = error;
  }
}

const write = async (path: string, content: string | Uint8Array, mode = 0o644): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content, { mode });
};

describe('a build with a compiler and a runtime that the lock pins', () => {
  // A compiler that leaves a trace that it was run, and fails.
  const script = (): string => `#!/bin/sh\ntouch ${join(root, 'was-run')}; exit 1\n`;
  const [compiler, ...runtimes] = bunPackagesFor([host, other]);
  const fileOf = (lock: Lock, name: string): string => {
    const { integrity } = lock.bun?.packages[name] ?? { integrity: '' };
    const folder = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
    return join(CACHE_FOLDER, 'npm', folder, 'bin/bun');
  };
  let lock: Lock;
  beforeEach(async () => {
    const names = [compiler, ...runtimes].filter((name) => name !== undefined);
    const packages = Object.fromEntries(
      names.map((name, index) => [
        name,
        {
          integrity: `sha512-${Buffer.alloc(64, index).toString('base64')}`,
          sha256: sha256Of(script()),
        },
      ]),
    );
    lock = { lockVersion: 1, bun: { version: '1.4.4', packages } };
    for (const name of names) await write(fileOf(lock, name), script(), 0o755);
    await write(LOCK_FILE, formatLock(lock));
    await write('main.ts', '');
  });
  const compile = () => build({ toolchain: { name: 'bun', entry: 'main.ts' }, platforms: [host, other] });

  it('a build runs the compiler if everything matches the lock', async () => {
    expect((await compile()).said).toContain('error COMPILE_FAILED');
    expect(existsSync(join(root, 'was-run'))).toBe(true);
  });

  it.each([
    ['compiler', compiler ?? ''],
    ['runtime of another platform', runtimes[0] ?? ''],
  ])('a build runs nothing if the %s was altered, even with the same size and time', async (_, name) => {
    const file = join(root, fileOf(lock, name));
    await writeFile(file, script().replace('touch', 'TOUCH'));
    await utimes(file, 0, 0);
    for (const note of ['checked.json', 'seen.json'])
      await write(
        join(dirname(dirname(fileOf(lock, name))), note),
        JSON.stringify({ 'bin/bun': sha256Of(await readFile(file)) }),
      );
    const { success, said } = await compile();
    expect(success).toBe(false);
    expect(said).toContain(`error RUNTIME_INTEGRITY: ${file}`);
    expect(existsSync(join(root, 'was-run'))).toBe(false);
    expect(existsSync(join(root, 'dist/bin'))).toBe(false);
  });

  it('a build runs nothing if the lock was altered', async () => {
    const name = compiler ?? '';
    const packages = { ...lock.bun?.packages };
    packages[name] = {
      ...packages[name],
      integrity: packages[name]?.integrity ?? '',
      sha256: '0'.repeat(64),
    };
    await write(LOCK_FILE, formatLock({ ...lock, bun: { version: '1.4.4', packages } }));
    expect(await compile()).toMatchObject({
      success: false,
      said: expect.stringContaining('RUNTIME_INTEGRITY'),
    });
    expect(existsSync(join(root, 'was-run'))).toBe(false);
  });

  it.each([
    ['is missing', async () => rm(join(root, LOCK_FILE))],
    [
      'lacks a package',
      async () => write(LOCK_FILE, '{"lockVersion":1,"bun":{"version":"1","packages":{}}}'),
    ],
  ])('a build says which command writes the lock that %s', async (_, spoil) => {
    await spoil();
    const { success, said } = await compile();
    expect(success).toBe(false);
    expect(said).toMatch(
      /error LOCKFILE: prebuilt\.lock\.json: expected Bun's package .*\n {2}Update the lock: npx nx g @prebuilt\/nx:lock\n/,
    );
    expect(existsSync(join(root, 'was-run'))).toBe(false);
  });
});

describe('a build with libraries that the lock pins', () => {
  beforeEach(async () => {
    const { sysroots = {} } = await readLock(REPOSITORY);
    const packages = sysroots[host] ?? {};
    await lockedSysroot(host);
    for (const { sha256 } of Object.values(packages)) {
      const place = join(CACHE_FOLDER, 'debian', sha256);
      await cp(join(REPOSITORY, place), join(root, place), { recursive: true, verbatimSymlinks: true });
    }
    await write(
      LOCK_FILE,
      formatLock({ lockVersion: 1, distribution: 'debian', sysroots: { [host]: packages } }),
    );
    await mkdir(join(root, 'out'));
    await copyFile('/bin/true', join(root, 'out/x'));
  });
  const pack = () => build({ toolchain: { name: 'import', files: { [host]: 'out/x' } }, platforms: [host] });
  const libc = async (): Promise<string> => {
    const found = await (await lockedSysroot(host)).find(
      `/lib/${host === 'linux/amd64' ? 'x86_64' : 'aarch64'}-linux-gnu/libc.so.6`,
    );
    return join(root, (found?.source ?? '').slice(REPOSITORY.length));
  };

  it('a build packs the libraries if they match the lock', async () => {
    expect(await pack()).toEqual({ success: true, said: '' });
    expect(await readFile(join(root, 'dist/bin/manifest.json'), 'utf8')).toContain('"name": "libc6"');
  });

  it('a build packs nothing if the C library was altered, even with the same size and time', async () => {
    const file = await libc();
    const content = await readFile(file);
    content.writeUInt8((content.at(-1) ?? 0) ^ 1, content.length - 1);
    await writeFile(file, content);
    await utimes(file, 0, 0);
    const { success, said } = await pack();
    expect(success).toBe(false);
    expect(said).toContain(`error SYSROOT_INTEGRITY: ${file}`);
    expect(existsSync(join(root, 'dist/bin'))).toBe(false);
  });

  it('a build names the command to run if the lock lacks the platform', async () => {
    await write(LOCK_FILE, '{"lockVersion":1}');
    const { said } = await pack();
    expect(said).toContain(`expected libc6, base-files for ${host}, found no entry`);
    expect(said).toContain(`npx nx g @prebuilt/nx:lock --platforms=${host}`);
  });
});
