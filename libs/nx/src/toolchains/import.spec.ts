import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildElf } from '@prebuilt/testing/elf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parsePlatform } from '../artifacts/platform.ts';
import { EMPTY_LOCK } from '../lock/lock.ts';
import { configureToolchain, toolchainOfProject } from './index.ts';

const AMD64 = parsePlatform('linux/amd64');
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'import-'));
  await mkdir(join(root, 'out'));
});
afterEach(() => rm(root, { recursive: true }));

const program = async (path: string, machine: 'x86_64' | 'aarch64' = 'x86_64'): Promise<void> => {
  await writeFile(join(root, path), buildElf({ machine }));
  await chmod(join(root, path), 0o755);
};

async function take(files: unknown, platform = AMD64): Promise<string> {
  const toolchain = configureToolchain({ name: 'import', files });
  const context = { workspaceRoot: root, name: 'x', platforms: [platform], lock: EMPTY_LOCK };
  const { signal } = new AbortController();
  const prepared = await toolchain.prepare({ ...context, cacheFolder: root, signal, progress: () => {} });
  const outfile = join(root, 'taken');
  const request = {
    platform,
    name: 'x',
    outfile,
    others: [],
    version: '1.0.0',
    revision: null,
    sourceDateEpoch: 0,
  };
  expect(await prepared.compile(request)).toEqual([]);
  return outfile;
}

describe('import', () => {
  it.each([
    ['out/x-{platform}', 'out/x-linux-arm64'],
    ['out/x_{os}_{arch}{variant}', 'out/x_linux_arm64'],
    ['out/{name}-{gnuTarget}-{zigTarget}', 'out/x-aarch64-linux-gnu-aarch64-linux-musl'],
    ['out/{goarch}.{rustGnuTarget}', 'out/arm64.aarch64-unknown-linux-gnu'],
    [{ 'linux/aarch64': 'out/x' }, 'out/x'],
  ])('imports the file given by %j', async (files, path) => {
    await program(path, 'aarch64');
    const taken = await take(files, parsePlatform('linux/arm64'));
    expect(await readFile(taken)).toEqual(await readFile(join(root, path)));
  });

  // Paths as built by nx-go 4.1 and @monodon/rust 3.0.
  it.each([
    ['nx-go', 'dist/apps/x-linux-arm64'],
    ['@monodon/rust', 'dist/target/x/aarch64-unknown-linux-musl/release/x'],
  ])('imports the file built by %s', async (files, path) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await program(path, 'aarch64');
    const setting = toolchainOfProject({ name: 'import', files }, 'apps/x');
    const taken = await take((setting as { readonly files?: unknown }).files, parsePlatform('linux/arm64'));
    expect(await readFile(taken)).toEqual(await readFile(join(root, path)));
  });

  it('refuses a plugin’s name in a target’s options, where the project is unknown', async () => {
    await expect(take('nx-go')).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      hint: expect.stringContaining('prebuilt.json'),
    });
  });

  it('follows a link that stays inside the workspace', async () => {
    await program('out/real');
    await symlink('real', join(root, 'out/x'));
    await take({ 'linux/amd64': 'out/x' });
  });

  it.each<[string, () => Promise<unknown>, string, string]>([
    ['nothing', async () => {}, 'expected an executable, found nothing', 'dependsOn'],
    [
      'a link out of the workspace',
      () => symlink('/bin/true', join(root, 'out/x')),
      'expected a file inside the workspace',
      'Copy it into the workspace in a target',
    ],
    [
      'a folder',
      () => mkdir(join(root, 'out/x')),
      'expected a regular file, found a folder',
      'Specify the executable itself',
    ],
    ['an empty file', () => writeFile(join(root, 'out/x'), ''), 'found an empty file', 'again'],
    [
      'a file that is not executable',
      async () => {
        await program('out/x');
        await chmod(join(root, 'out/x'), 0o644);
      },
      'found mode 0644',
      'chmod +x',
    ],
    [
      'a script',
      () => writeFile(join(root, 'out/x'), '#!/bin/sh\nexit 0\n', { mode: 0o755 }),
      'expected an ELF executable for x86_64',
      'rather than a script that starts it',
    ],
    [
      "another platform's executable",
      () => program('out/x', 'aarch64'),
      'found 64-bit little-endian aarch64',
      'built for this platform',
    ],
  ])('refuses %s', async (_, make, says, hint) => {
    await make();
    await expect(take({ 'linux/amd64': 'out/x' })).rejects.toMatchObject({
      code: 'TOOLCHAIN',
      message: expect.stringContaining(says),
      hint: expect.stringContaining(hint),
    });
  });

  it('refuses a platform without a file', async () => {
    await expect(take({ 'linux/arm64': 'out/x' })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('expected a file for linux/amd64, found files for linux/arm64'),
      hint: 'Add its file, or remove the platform from "platforms".',
    });
  });

  it.each([
    ['a path without the platform', { files: 'out/x' }, 'toolchain.files'],
    ['an unknown placeholder', { files: 'x-{arch}-{rusttarget}' }, 'found {rusttarget}'],
    ['another toolchain’s placeholder', { files: 'x-{arch}-{version}' }, 'found {version}'],
    ['an unknown platform', { files: { 'linux/pdp11': 'x' } }, 'linux/pdp11'],
    ['no files', {}, 'toolchain.files'],
    ['an unknown option', { files: 'a-{arch}', entry: 'x' }, 'toolchain.entry'],
  ])('refuses %s', (_, options, says) => {
    expect(() => configureToolchain({ name: 'import', ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(says) }),
    );
  });

  it('includes the files in the build’s cache key', async () => {
    const toolchain = configureToolchain({ name: 'import', files: 'out/x-{arch}' });
    const facts = () =>
      toolchain
        .keyFacts({ workspaceRoot: root, name: 'x', platforms: [AMD64], lock: EMPTY_LOCK })
        .then(JSON.stringify as never);
    await program('out/x-amd64');
    const before = await facts();
    await copyFile('/bin/true', join(root, 'out/x-amd64'));
    expect(await facts()).not.toBe(before);
  });

  it('resolves the paths of a prebuilt.json in its own folder', () => {
    expect(toolchainOfProject({ name: 'import', files: '../out/{arch}' }, 'apps/a')).toEqual({
      name: 'import',
      files: 'apps/out/{arch}',
      executables: {},
      dependsOn: [],
      version: 'unknown',
    });
  });
});

describe('import of several executables', () => {
  it('imports each executable', async () => {
    await program('out/x-amd64');
    await program('out/worker-amd64');
    const toolchain = configureToolchain({
      name: 'import',
      files: 'out/x-{arch}',
      executables: { worker: 'out/worker-{arch}' },
    });
    expect(toolchain.others).toEqual(['worker']);
    const { signal } = new AbortController();
    const context = { workspaceRoot: root, name: 'x', platforms: [AMD64], lock: EMPTY_LOCK };
    const prepared = await toolchain.prepare({ ...context, cacheFolder: root, signal, progress: () => {} });
    const others = [{ name: 'worker', outfile: join(root, 'taken-worker') }];
    const outfile = join(root, 'taken');
    const request = {
      platform: AMD64,
      name: 'x',
      outfile,
      others,
      version: '1',
      revision: null,
      sourceDateEpoch: 0,
    };
    await prepared.compile(request);
    expect(await readFile(join(root, 'taken-worker'))).toEqual(
      await readFile(join(root, 'out/worker-amd64')),
    );
  });

  it('refuses a missing executable', async () => {
    const toolchain = configureToolchain({
      name: 'import',
      files: 'out/x-{arch}',
      executables: { worker: { 'linux/amd64': 'out/absent' } },
    });
    await program('out/x-amd64');
    const { signal } = new AbortController();
    const context = { workspaceRoot: root, name: 'x', platforms: [AMD64], lock: EMPTY_LOCK };
    const prepared = await toolchain.prepare({ ...context, cacheFolder: root, signal, progress: () => {} });
    const others = [{ name: 'worker', outfile: join(root, 'taken-worker') }];
    const request = {
      platform: AMD64,
      name: 'x',
      outfile: join(root, 'taken'),
      others,
      version: '1',
      revision: null,
      sourceDateEpoch: 0,
    };
    await expect(prepared.compile(request)).rejects.toThrow(
      'out/absent: expected an executable, found nothing',
    );
  });
});
