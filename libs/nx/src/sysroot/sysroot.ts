import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { type ArchiveOptions, lockedPackage, type UnpackedPackage } from '../lock/debian-package.ts';
import { type Lock, lacking } from '../lock/lock.ts';
import { readPackages, type SysrootPackage } from './packages.ts';
import { folderOf, SYSROOT_PACKAGES, type SysrootPlan } from './plan.ts';
import { resolveInRoot, resolveLinks } from './resolve-in-root.ts';

/** A file in a sysroot. */
export interface SysrootFile {
  /** Its path on disk. */
  readonly source: string;
  /** The expected hexadecimal SHA-256 of its content; null in the user's folder. */
  readonly sha256: string | null;
  /** The package that owns it; null if none does. */
  readonly owner: SysrootPackage | null;
}

/** A platform's loader and libraries, at their final paths. */
export interface Sysroot {
  /** Its description in messages. */
  readonly label: string;
  /** The file at an absolute path, with links resolved inside the sysroot. */
  find(path: string): Promise<SysrootFile | undefined>;
}

/**
 * Opens a platform's sysroot. Fetches missing packages from the lock and checks all their files against it; uses the
 * user's folder as is. Throws `SYSROOT` if the folder doesn't exist, `LOCKFILE` if the lock lacks a package, and the
 * errors of `lockedPackage`.
 */
export async function openSysroot(
  plan: SysrootPlan,
  platform: Platform,
  cacheFolder: string,
  options: ArchiveOptions,
): Promise<Sysroot> {
  if (plan.kind === 'folder') return openFolder(plan.folder, platform);
  if (plan.missing.length > 0) {
    const further = plan.missing.filter((name) => !SYSROOT_PACKAGES.includes(name));
    const options = [
      `--platforms=${platform}`,
      ...(further.length > 0 ? [`--sysrootPackages=${further.join(',')}`] : []),
    ];
    throw lacking(`${plan.missing.join(', ')} for ${platform}`, options.join(' '));
  }
  const packages = await Promise.all(
    Object.entries(plan.packages).map(([name, pin]) => lockedPackage(cacheFolder, name, pin, options)),
  );
  return joinPackages(packages, platform, plan.distribution);
}

/** A sysroot of checked packages. It contains only what their listings contain, whatever else is on disk. */
export function joinPackages(
  packages: readonly UnpackedPackage[],
  platform: Platform,
  distribution: NonNullable<Lock['distribution']>,
): Sysroot {
  const files = new Map<string, SysrootFile>();
  const links = new Map<string, string>();
  const folders = new Set<string>();
  for (const { name, version, architecture, root, entries } of packages) {
    for (const entry of entries) {
      const path = `/${entry.path}`;
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
        folders.add(path.slice(0, end));
      if (entry.kind === 'link') links.set(path, entry.target);
      else {
        const owner = { name, version, architecture, distribution };
        files.set(path, { source: join(root, entry.path), sha256: entry.sha256, owner });
      }
    }
  }
  return {
    label: `${packages.map(({ name, version }) => `${name} ${version}`).join(', ')} for ${platform}`,
    async find(path) {
      const found = await resolveLinks(path, async (inner) => {
        const link = links.get(inner);
        if (link !== undefined) return { link };
        return files.has(inner) || folders.has(inner) ? 'present' : 'absent';
      });
      return found === undefined ? undefined : files.get(found);
    },
  };
}

async function openFolder(folder: string, platform: Platform): Promise<Sysroot> {
  const root = folderOf(folder, platform);
  if (!existsSync(root)) {
    throw new PrebuiltError('SYSROOT', `${platform}: expected the C library's folder ${root}, found none`, {
      hint: 'The sysroot folder must contain a subfolder for each platform. Without a sysroot folder, packages from prebuilt.lock.json are used.',
    });
  }
  const ownerOf = await readPackages(root);
  return {
    label: root,
    async find(path) {
      const source = await resolveInRoot(root, path);
      if (source === undefined) return undefined;
      return { source, sha256: null, owner: ownerOf(path) ?? ownerOf(source.slice(root.length)) ?? null };
    },
  };
}
