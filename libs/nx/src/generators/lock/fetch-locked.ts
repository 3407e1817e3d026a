import type { Platform } from '../../artifacts/platform.ts';
import { readPinned } from '../../image/base/read-bases.ts';
import { pinnedBase } from '../../image/base/reference.ts';
import { fetchArchives, lockedEmulators, lockedPackage } from '../../lock/debian-package.ts';
import type { Lock } from '../../lock/lock.ts';
import { lockedFile } from '../../lock/npm-package.ts';
import { nativePlatform, thisHost } from '../../process/host.ts';
import { BUN_EXECUTABLE, bunPackagesFor } from '../../toolchains/bun.ts';
import type { LockWants } from './wants.ts';

/**
 * Fetches everything in the lock that builds on this machine need, and checks it all, including what was already there.
 * Throws the errors of those checks.
 */
export async function fetchLocked(
  lock: Lock,
  cacheFolder: string,
  progress: (line: string) => void,
): Promise<void> {
  const archives = { fetch: fetchArchives(lock.distribution ?? 'debian'), progress };
  for (const [platform, packages] of Object.entries(lock.sysroots ?? {})) {
    for (const [name, pin] of Object.entries(packages)) await lockedPackage(cacheFolder, name, pin, archives);
    progress(
      `sysroot ${platform}: ${Object.entries(packages)
        .map(([name, { version }]) => `${name} ${version}`)
        .join(', ')}`,
    );
  }
  for (const [name, pin] of Object.entries(lock.data ?? {})) {
    await lockedPackage(cacheFolder, name, pin, archives);
    progress(`data: ${name} ${pin.version}`);
  }
  const host = nativePlatform(thisHost());
  const emulators = Object.entries((host && lock.emulators?.[host]) ?? {});
  const pins = emulators.map(([, pin]) => pin);
  const paths = await lockedEmulators(cacheFolder, pins, archives);
  emulators.forEach(([platform], at) => {
    progress(`emulator ${platform}: ${paths[at]}`);
  });
  if (lock.bun === undefined) return;
  const { version, packages } = lock.bun;
  const platforms = Object.keys(lock.sysroots ?? {}) as Platform[];
  for (const name of bunPackagesFor(platforms).filter((each) => packages[each] !== undefined)) {
    const pin = packages[name];
    if (pin !== undefined)
      await lockedFile(cacheFolder, { name, version, ...pin }, BUN_EXECUTABLE, { progress });
  }
  progress(`bun ${version}`);
}

/** Fetches the workspace's base images for all platforms, and checks them all, including those already there. */
export async function fetchBases(
  workspaceRoot: string,
  lock: Lock,
  { bases, platforms }: Pick<LockWants, 'bases' | 'platforms'>,
  progress: (line: string) => void,
): Promise<void> {
  for (const image of bases) {
    const pinned = pinnedBase({ from: { image } }, lock);
    if (pinned === undefined) continue;
    await readPinned(workspaceRoot, pinned, [...platforms], { progress });
    progress(`base ${pinned.reference}`);
  }
}
