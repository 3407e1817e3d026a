import { resolve } from 'node:path';
import { type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import { EMPTY_LOCK, type Lock, readLock } from '../../lock/lock.ts';
import { SYSROOT_PACKAGES, type SysrootPlan, sysrootFacts } from '../../sysroot/sysroot.ts';
import { checkPlatforms, configureToolchain } from '../../toolchains/index.ts';
import { readVersionFacts } from '../../version/facts.ts';
import type { VersionFacts } from '../../version/version.ts';
import type { BuildBinariesOptions } from './options.ts';

/** What a build depends on beside its options and the workspace's files. */
export interface BuildFacts {
  readonly version: VersionFacts;
  readonly lock: Lock;
}

/** Reads what a build depends on. Throws `LOCKFILE` for a lock that can't be used. */
export async function readBuildFacts(
  workspaceRoot: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<BuildFacts> {
  const [version, lock] = await Promise.all([
    readVersionFacts(workspaceRoot, environment),
    readLock(workspaceRoot),
  ]);
  return { version, lock };
}

/**
 * What goes into the key of a build beside options and files: the toolchain's facts, and what sysroots hold. Plain
 * JSON. What can't be read is part of it as a message, so that it never equals one that could.
 */
export async function buildKeyFacts(
  options: BuildBinariesOptions,
  workspaceRoot: string,
  lock: Lock = EMPTY_LOCK,
): Promise<unknown> {
  const platforms = [...parsePlatforms(options.platforms)].sort();
  const toolchain = configureToolchain(options.toolchain);
  checkPlatforms(toolchain.name, platforms);
  const orMessage = (work: () => Promise<unknown>): Promise<unknown> =>
    work().catch((error: unknown) => ({ unreadable: String(error) }));
  const [compiler, ...sysroots] = await Promise.all([
    orMessage(() => toolchain.keyFacts({ workspaceRoot, platforms, lock })),
    ...platforms.map((platform) =>
      orMessage(async () => sysrootFacts(planSysroot(options, workspaceRoot, lock, platform), platform)),
    ),
  ]);
  return { toolchain: compiler, sysroots };
}

/**
 * Where a platform's libraries come from: the folder that the options give, else the lock's packages. A locked
 * package that the lock lacks is told where an executable needs a library, not before: a static one needs none.
 */
export function planSysroot(
  options: Pick<BuildBinariesOptions, 'sysroot' | 'sysrootPackages'>,
  workspaceRoot: string,
  lock: Lock,
  platform: Platform,
): SysrootPlan {
  if (options.sysroot !== undefined)
    return { kind: 'folder', folder: resolve(workspaceRoot, options.sysroot) };
  const names = [...new Set([...SYSROOT_PACKAGES, ...options.sysrootPackages])];
  const locked = lock.sysroots?.[platform] ?? {};
  return {
    kind: 'locked',
    packages: Object.fromEntries(names.flatMap((name) => (locked[name] ? [[name, locked[name]]] : []))),
    missing: names.filter((name) => locked[name] === undefined),
  };
}
