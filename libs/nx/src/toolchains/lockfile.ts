import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';

/** A package as package-lock.json pins it. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource Integrity: `sha512-…`. */
  readonly integrity: string;
}

interface Lockfile {
  readonly packages?: Readonly<Record<string, { readonly version?: unknown; readonly integrity?: unknown }>>;
}

/**
 * What the workspace's package-lock.json pins for the packages. Throws `LOCKFILE` where the file can't be read
 * or does not pin one of them with a version and an integrity.
 * https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json#packages
 */
export async function readLockedPackages(
  workspaceRoot: string,
  names: readonly string[],
): Promise<readonly LockedPackage[]> {
  const path = join(workspaceRoot, 'package-lock.json');
  let lockfile: Lockfile;
  try {
    lockfile = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new PrebuiltError('LOCKFILE', `${path}: can't be read: ${(cause as Error).message}`, {
      hint: 'The lockfile pins the runtimes that go into the executables: restore it, or make it with npm install.',
      cause,
    });
  }
  return names.map((name) => {
    const entry = lockfile.packages?.[`node_modules/${name}`];
    if (typeof entry?.version === 'string' && typeof entry.integrity === 'string') {
      return { name, version: entry.version, integrity: entry.integrity };
    }
    throw new PrebuiltError(
      'LOCKFILE',
      `${path}: expected ${name} with a version and an integrity, found ${entry === undefined ? 'no such package' : 'neither or only one of them'}`,
      { hint: `Pin it: npm install --save-optional --save-exact --force ${name}` },
    );
  });
}
