import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FetchPackage, hashInner, type LockedPackage, lockedFile } from './npm-package.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'npm-package-'));
});
afterEach(() => rm(folder, { recursive: true }));

const sha256Of = (content: string): string => createHash('sha256').update(content).digest('hex');

const locked: LockedPackage = {
  name: '@oven/bun-linux-aarch64',
  version: '1.4.4',
  integrity: `sha512-${Buffer.alloc(64, 1).toString('base64')}`,
  sha256: sha256Of('runtime'),
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

describe('lockedFile', () => {
  it('fetches once, into a folder named after the integrity hash', async () => {
    const first = await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    expect(first).toBe(join(folder, 'npm', '01'.repeat(64), 'bin/bun'));
    expect(await lockedFile(folder, locked, 'bin/bun', { fetch: failWith('ENOTFOUND') })).toBe(first);
    expect(await readdir(join(folder, 'npm'))).toHaveLength(1);
  });

  it('refuses an archive that the lock does not pin, and keeps nothing of it', async () => {
    await expect(
      lockedFile(folder, locked, 'bin/bun', { fetch: failWith('EINTEGRITY') }),
    ).rejects.toMatchObject({
      code: 'RUNTIME_INTEGRITY',
      message: expect.stringContaining(locked.integrity),
    });
    expect(await readdir(join(folder, 'npm'))).toEqual([]);
  });

  it('reports an unreachable registry', async () => {
    await expect(
      lockedFile(folder, locked, 'bin/bun', { fetch: failWith('ENOTFOUND') }),
    ).rejects.toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      message: expect.stringContaining('@oven/bun-linux-aarch64 1.4.4'),
    });
    expect(await readdir(join(folder, 'npm'))).toEqual([]);
  });

  it('passes on the error for a full disk', async () => {
    await expect(lockedFile(folder, locked, 'bin/bun', { fetch: failWith('ENOSPC') })).rejects.toMatchObject({
      code: 'ENOSPC',
    });
  });

  it('refuses a changed file, even with the same size and time', async () => {
    const path = await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    const { atime, mtime } = await stat(path);
    await writeFile(path, 'Runtime');
    await utimes(path, atime, mtime);
    await expect(lockedFile(folder, locked, 'bin/bun')).rejects.toMatchObject({
      code: 'RUNTIME_INTEGRITY',
      message: expect.stringContaining(path),
    });
  });

  it.each(['checked.json', 'seen.json'])('does not trust a %s next to an altered file', async (name) => {
    const path = await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    await writeFile(path, 'Runtime');
    await writeFile(join(path, '../..', name), JSON.stringify({ 'bin/bun': sha256Of('Runtime') }));
    await expect(lockedFile(folder, locked, 'bin/bun')).rejects.toMatchObject({
      code: 'RUNTIME_INTEGRITY',
    });
  });

  it('refuses a file that does not match a changed lock', async () => {
    await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    const changed = { ...locked, sha256: sha256Of('Runtime') };
    await expect(lockedFile(folder, changed, 'bin/bun')).rejects.toMatchObject({
      code: 'RUNTIME_INTEGRITY',
    });
  });

  it('fetches a file again that was removed from the folder', async () => {
    const path = await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    await rm(path);
    expect(await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') })).toBe(path);
  });

  it('lets concurrent builds share one folder', async () => {
    const files = await Promise.all(
      [1, 2, 3].map(() => lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') })),
    );
    expect(new Set(files).size).toBe(1);
    expect(await readdir(join(folder, 'npm'))).toHaveLength(1);
  });
});

describe('hashInner', () => {
  it('hashes a freshly fetched package, whatever is in the cache', async () => {
    const path = await lockedFile(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') });
    await writeFile(path, 'Runtime');
    expect(await hashInner(folder, locked, 'bin/bun', { fetch: fetchContent('runtime') })).toBe(
      locked.sha256,
    );
  });
});
