import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tree } from '@nx/devkit';
import { parsePlatform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { describeFailure } from '../../executors/failures.ts';
import { CACHE_FOLDER, EMPTY_LOCK, formatLock, LOCK_FILE, parseLock } from '../../lock/lock.ts';
import { type Host, nativePlatform, requireUnix, thisHost } from '../../process/host.ts';
import { fetchBases, fetchLocked } from './fetch-locked.ts';
import type { LockOptions } from './options.ts';
import { type Resolver, withResolver } from './resolve.ts';
import { compareLocks, formatChanges, updateLock } from './update.ts';
import { gatherWants } from './wants.ts';

/** `nx g @prebuilt/nx:lock`: adds missing entries to the lock, or updates it. Options: schema.json. */
export default async function lockGenerator(
  tree: Tree,
  options: Partial<LockOptions>,
  resolver?: Resolver,
  host: Host = thisHost(),
): Promise<void> {
  try {
    requireUnix(host);
    await writeLock(
      tree,
      { refresh: false, fetch: false, platforms: [], sysrootPackages: [], ...options },
      resolver,
      host,
    );
  } catch (error) {
    // Nx prints only an error's message.
    const lines = describeFailure(error, { root: tree.root });
    throw lines === undefined ? error : new Error(lines.join('\n'), { cause: error });
  }
}

async function writeLock(
  tree: Tree,
  options: LockOptions,
  given: Resolver | undefined,
  machine: Host,
): Promise<void> {
  const text = tree.read(LOCK_FILE, 'utf8');
  const lock = text === null ? EMPTY_LOCK : parseLock(text, LOCK_FILE);
  const cacheFolder = join(tree.root, CACHE_FOLDER);
  const progress = (line: string): void => console.log(line);
  const wants = await gatherWants(tree, options);
  if (options.fetch) {
    if (options.refresh) {
      throw new PrebuiltError(
        'INVALID_OPTIONS',
        '--fetch downloads what is locked, --refresh updates the lock: give only one of them',
      );
    }
    await fetchLocked(lock, cacheFolder, progress);
    await fetchBases(tree.root, lock, wants, progress);
    return;
  }
  const host = nativePlatform(machine);
  const hosts = options.hosts?.map(parsePlatform) ?? (host === undefined ? [] : [host]);
  const update = (resolver: Resolver) => updateLock(lock, wants, options, hosts, resolver);
  if (given === undefined) await mkdir(cacheFolder, { recursive: true });
  const after = await (given === undefined
    ? withResolver(cacheFolder, join(cacheFolder, '.lock-'), progress, update)
    : update(given));
  console.log(formatChanges(compareLocks(lock, after)));
  const formatted = formatLock(after);
  if (formatted !== text) tree.write(LOCK_FILE, formatted);
}
