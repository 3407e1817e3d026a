import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLockedPackages } from './lockfile.ts';
import { type FetchPackage, pinnedFile } from './pinned-package.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pinned-'));
});
afterEach(() => rm(folder, { recursive: true }));

const locked = {
  name: '@oven/bun-linux-aarch64',
  version: '1.4.4',
  integrity: `sha512-${Buffer.alloc(64, 1).toString('base64')}`,
};

const fetchContent =
  (content: string): FetchPackage =>
  async (_, target) => {
    await mkdir(join(target, 'bin'));
    await writeFile(join(target, 'bin/bun'), content);
  };

const failWith =
  (code: string): FetchPackage =>
  async () => {
    throw Object.assign(new Error(`${code}: from the registry`), { code });
  };

describe('pinnedFile', () => {
  it('fetches once, into a folder named by the integrity', async () => {
    const first = await pinnedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    expect(first.path).toBe(join(folder, `sha512-${'01'.repeat(64)}`, 'bin/bun'));
    const second = await pinnedFile(folder, locked, 'bin/bun', { fetch: failWith('ENOTFOUND') });
    await second.check();
    expect(second.path).toBe(first.path);
    expect(await readdir(folder)).toHaveLength(1);
  });

  it('refuses other content than the lockfile pins and keeps none of it', async () => {
    await expect(
      pinnedFile(folder, locked, 'bin/bun', { fetch: failWith('EINTEGRITY') }),
    ).rejects.toMatchObject({
      code: 'RUNTIME_INTEGRITY',
      message: expect.stringContaining(locked.integrity),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('says so where the registry is out of reach', async () => {
    await expect(
      pinnedFile(folder, locked, 'bin/bun', { fetch: failWith('ENOTFOUND') }),
    ).rejects.toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      message: expect.stringContaining('@oven/bun-linux-aarch64 1.4.4'),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('passes a full disk on as what it is', async () => {
    await expect(pinnedFile(folder, locked, 'bin/bun', { fetch: failWith('ENOSPC') })).rejects.toMatchObject({
      code: 'ENOSPC',
    });
  });

  it('notices a file that changed since it was unpacked', async () => {
    const file = await pinnedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    await writeFile(file.path, 'Runtime');
    await expect(file.check()).rejects.toMatchObject({
      code: 'RUNTIME_INTEGRITY',
      message: expect.stringContaining(file.path),
    });
  });

  it.each([
    ['long ago', 60_000, ['checked.json', 'seen.json']],
    ['a moment ago', 0, ['checked.json']],
  ])('notes which file it hashed, where that was written %s', async (_, later, expected) => {
    const now = () => Date.now() + later;
    const file = await pinnedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime'), now });
    await file.check();
    const notes = await readdir(join(dirname(file.path), '..'));
    expect(notes.filter((name) => name !== 'bin').sort()).toEqual(expected);
  });

  it('notices another content of the same size and time in a file that it has hashed', async () => {
    const now = () => Date.now() + 60_000;
    const file = await pinnedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime'), now });
    await file.check();
    await file.check();
    const { atime, mtime } = await stat(file.path);
    await writeFile(file.path, 'Runtime');
    await utimes(file.path, atime, mtime);
    await expect(file.check()).rejects.toMatchObject({ code: 'RUNTIME_INTEGRITY' });
  });

  it('lets builds that fetch at the same time share one folder', async () => {
    const files = await Promise.all(
      [1, 2, 3].map(() => pinnedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') })),
    );
    await Promise.all(files.map((file) => file.check()));
    expect(await readdir(folder)).toHaveLength(1);
  });
});

describe('readLockedPackages', () => {
  const write = (content: unknown): Promise<void> =>
    writeFile(
      join(folder, 'package-lock.json'),
      typeof content === 'string' ? content : JSON.stringify(content),
    );

  it('gives version and integrity of each package', async () => {
    await write({ packages: { [`node_modules/${locked.name}`]: { ...locked, name: undefined } } });
    expect(await readLockedPackages(folder, [locked.name])).toEqual([locked]);
  });

  it.each([
    ['no lockfile', undefined, "can't be read"],
    ['a lockfile that is no JSON', '{', "can't be read"],
    ['a package that is not there', { packages: {} }, 'no such package'],
    [
      'a package without integrity',
      { packages: { [`node_modules/${locked.name}`]: { version: '1' } } },
      'neither',
    ],
  ])('refuses %s', async (_, content, expected) => {
    if (content !== undefined) await write(content);
    await expect(readLockedPackages(folder, [locked.name])).rejects.toMatchObject({
      code: 'LOCKFILE',
      message: expect.stringContaining(expected),
      hint: expect.any(String),
    });
  });
});
