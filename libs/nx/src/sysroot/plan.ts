import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Platform } from '../artifacts/platform.ts';
import type { DebianPin, Lock } from '../lock/lock.ts';

/** The packages of every sysroot: the C library, and what names the distribution to scanners. */
export const SYSROOT_PACKAGES: readonly string[] = ['libc6', 'base-files'];

/** Where the libraries of a platform's executables come from: the lock's packages, or a folder that the user gave. */
export type SysrootPlan =
  | {
      readonly kind: 'locked';
      readonly packages: Readonly<Record<string, DebianPin>>;
      /** Packages that the lock lacks: told where an executable needs a library, since a static one needs none. */
      readonly missing: readonly string[];
      readonly distribution: NonNullable<Lock['distribution']>;
    }
  | { readonly kind: 'folder'; readonly folder: string };

/**
 * Where a platform's libraries come from: the folder that the options give, else the lock's packages. A locked
 * package that the lock lacks is told where an executable needs a library, not before: a static one needs none.
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
 * What of a sysroot a build depends on: the lines of the lock, or the list of the folder's files, hashed; null where
 * the folder is not there.
 */
export async function sysrootFacts(plan: SysrootPlan, platform: Platform): Promise<unknown> {
  if (plan.kind === 'locked')
    return { packages: plan.packages, missing: plan.missing, distribution: plan.distribution };
  const root = folderOf(plan.folder, platform);
  if (!existsSync(root)) return null;
  const { hashContents, readContents } = await import('../lock/contents.ts');
  return hashContents(await readContents(root));
}

/** The folder of a platform inside a folder of sysroots. */
export function folderOf(folder: string, platform: Platform): string {
  return join(folder, platform.replaceAll('/', '-'));
}
