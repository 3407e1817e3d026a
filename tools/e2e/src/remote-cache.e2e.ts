import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clone, linkedClone, OWN_ARCHITECTURE, releaseOwnPlatformAlone } from './testing/clone.ts';
import { type RemoteCache, startRemoteCache } from './testing/remote-cache.ts';
import { nx } from './testing/workspace.ts';

const EXECUTABLE = `dist/bin/mount-monitor-linux-${OWN_ARCHITECTURE}`;

describe('a remote cache', { timeout: 300_000 }, () => {
  let cache: RemoteCache;
  let first: Clone;
  let second: Clone;
  let environment: Readonly<Record<string, string>>;

  beforeAll(async () => {
    cache = await startRemoteCache({ write: 'writer', read: 'reader' });
    environment = {
      NX_SELF_HOSTED_REMOTE_CACHE_SERVER: cache.url,
      NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: 'writer',
    };
    [first, second] = [await linkedClone(), await linkedClone()];
    for (const clone of [first, second]) await releaseOwnPlatformAlone(clone);
  }, 300_000);
  afterAll(async () => {
    await cache?.[Symbol.asyncDispose]();
    await first?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
  });

  /** Deletes a clone's build output and its local cache. */
  const forget = async (clone: Clone): Promise<void> => {
    for (const folder of ['dist', '.nx'])
      await rm(join(clone.root, folder), { recursive: true, force: true });
  };
  const build = (
    clone: Clone,
    env: Readonly<Record<string, string>> = {},
    target = 'release:build-binaries',
    ...args: readonly string[]
  ) => nx(clone.root, ['run', target, ...args], { ...environment, ...env });
  const sha256 = async (clone: Clone): Promise<string> =>
    createHash('sha256')
      .update(await readFile(join(clone.root, EXECUTABLE)))
      .digest('hex');
  const cacheStatus = async (clone: Clone): Promise<Readonly<Record<string, string>>> => {
    const { tasks } = JSON.parse(await readFile(join(clone.root, '.nx/cache/run.json'), 'utf8'));
    return Object.fromEntries(
      tasks.map((task: { readonly taskId: string; readonly cacheStatus: string }) => [
        task.taskId,
        task.cacheStatus,
      ]),
    );
  };

  it('a remote cache gives one clone what another has built', async () => {
    expect(await build(first)).toMatchObject({ exitCode: 0 });
    expect(cache.takeAnswers()).toEqual(['GET 404', 'PUT 200']);
    expect(await build(second)).toMatchObject({ exitCode: 0 });
    expect(cache.takeAnswers()).toEqual(['GET 200']);
    expect(await cacheStatus(second)).toEqual({ 'release:build-binaries': 'remote-cache-hit' });
    expect(await sha256(second)).toBe(await sha256(first));
  });

  it('a remote cache is not written with a read-only token, and the run continues', async () => {
    const env = { NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: 'reader' };
    // Its output is small; executables would take Nx seconds to pack.
    expect(await build(second, env, 'release:verify', '--exclude-task-dependencies')).toMatchObject({
      exitCode: 0,
    });
    expect(cache.takeAnswers()).toEqual(['GET 404', 'PUT 403']);
    expect(cache.entries.size).toBe(1);
  });

  it('a run fails if the remote cache refuses its token', async () => {
    await forget(second);
    expect((await build(second, { NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: 'wrong' })).exitCode).not.toBe(0);
    expect(cache.takeAnswers()).toEqual(['GET 401']);
  });

  it('a run fails if the remote cache is down', async () => {
    await forget(second);
    const down = { NX_SELF_HOSTED_REMOTE_CACHE_SERVER: 'http://127.0.0.1:9' };
    expect((await build(second, down)).exitCode).not.toBe(0);
  });

  it('a run fails on a truncated archive before verifying anything', async () => {
    await forget(second);
    const [[hash, entry] = ['', Buffer.alloc(0)]] = cache.entries;
    cache.entries.set(hash, entry.subarray(0, entry.length / 2));
    try {
      expect((await build(second, {}, 'release:verify')).exitCode).not.toBe(0);
      expect(existsSync(join(second.root, 'dist/verify'))).toBe(false);
    } finally {
      cache.entries.set(hash, entry);
    }
  });

  it('a run succeeds without the remote cache’s server, right after failing because of it', async () => {
    cache.takeAnswers();
    expect(await build(second, { NX_SELF_HOSTED_REMOTE_CACHE_SERVER: '' })).toMatchObject({ exitCode: 0 });
    expect(cache.takeAnswers()).toEqual([]);
    expect(await sha256(second)).toBe(await sha256(first));
  });

  it('verify catches an altered archive from a remote cache and names the file', async () => {
    await forget(second);
    const [[hash, entry] = ['', Buffer.alloc(0)]] = cache.entries;
    try {
      const tar = gunzipSync(entry);
      // Deep inside an executable, far from any archive header.
      const at = tar.indexOf(`mount-monitor-linux-${OWN_ARCHITECTURE}`) + 60_000_000;
      tar.writeUInt8(tar.readUInt8(at) ^ 0xff, at);
      cache.entries.set(hash, gzipSync(tar, { level: 0 }));
      const { exitCode, output } = await build(second, {}, 'release:verify');
      expect(exitCode).not.toBe(0);
      expect(output).toMatch(/error WRONG_HASH: mount-monitor-linux-(amd64|arm64): expected SHA-256/);
    } finally {
      cache.entries.set(hash, entry);
    }
  });
});
