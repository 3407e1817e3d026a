import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A distribution package in a sysroot. */
export interface SysrootPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The distribution it comes from, if known. */
  readonly distribution?: 'debian' | 'ubuntu' | undefined;
}

/** Finds the package that owns a file, given its absolute path inside the sysroot. */
export type PackageLookup = (path: string) => SysrootPackage | undefined;

/**
 * Reads a sysroot's package records: `var/lib/dpkg/info/<package>.list` and `var/lib/dpkg/status.d/<package>`.
 * For a sysroot without records, which wasn't made from packages, the lookup finds none.
 * https://manpages.debian.org/dpkg-query
 */
export async function readPackages(root: string): Promise<PackageLookup> {
  const info = join(root, 'var/lib/dpkg/info');
  const names = await readdir(info).catch(() => []);
  const owners = new Map<string, SysrootPackage>();
  for (const file of names.filter((name) => name.endsWith('.list')).sort()) {
    const name = file.slice(0, -'.list'.length);
    const fields = parseControl(await readFile(join(root, 'var/lib/dpkg/status.d', name), 'utf8'));
    const described = {
      name,
      version: fields.get('Version') ?? '',
      architecture: fields.get('Architecture') ?? '',
    };
    for (const path of (await readFile(join(info, file), 'utf8')).split('\n')) owners.set(path, described);
  }
  return (path) => owners.get(path);
}

function parseControl(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, name, value] = /^([A-Za-z-]+): *(.*)$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}
