import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Platform } from '../artifacts/platform.ts';
import type { DebianPin, Lock } from '../lock/lock.ts';

/** The packages in every sysroot: the C library, and the one that identifies the distribution to scanners. */
export const SYSROOT_PACKAGES: readonly string[] = ['libc6', 'base-files'];

/** The source of libraries for a platform's executables: packages from the lock, or the user's folder. */
export type SysrootPlan =
  | {
      readonly kind: 'locked';
      readonly packages: Readonly<Record<string, DebianPin>>;
      /** Packages missing in the lock. Reported only if an executable needs a library; a static one needs none. */
      readonly missing: readonly string[];
      readonly distribution: NonNullable<Lock['distribution']>;
    }
  | { readonly kind: 'folder'; readonly folder: string };

/**
 * Plans where a platform's libraries come from: the folder from the options, or else packages from the lock. Doesn't
 * throw for packages missing in the lock, since a static executable needs none.
 */
export function planSysroot(
  options: { readonly sysrootPackages: readonly string[]; readonly sysroot?: string | undefined },
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
    distribution: lock.distribution ?? 'debian',
    packages: Object.fromEntries(names.flatMap((name) => (locked[name] ? [[name, locked[name]]] : []))),
    missing: names.filter((name) => locked[name] === undefined),
  };
}

/**
 * The facts about a sysroot that a build depends on: the lock entries, or the hash of the listing of the folder's
 * files; null if the folder doesn't exist.
 */
export async function sysrootFacts(plan: SysrootPlan, platform: Platform): Promise<unknown> {
  if (plan.kind === 'locked')
    return { packages: plan.packages, missing: plan.missing, distribution: plan.distribution };
  const root = folderOf(plan.folder, platform);
  if (!existsSync(root)) return null;
  const { hashContents, readContents } = await import('../lock/contents.ts');
  return hashContents(await readContents(root));
}

/** A platform's subfolder in a folder of sysroots. */
export function folderOf(folder: string, platform: Platform): string {
  return join(folder, platform.replaceAll('/', '-'));
}
