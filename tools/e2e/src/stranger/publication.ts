import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freshClone } from '../testing/clone.ts';
import { linkInstalledPackages } from '../testing/linked-packages.ts';
import { runOk } from '../testing/workspace.ts';
import type { PackageRegistry } from './package-registry.ts';

/** The published version, and what publishing it changed. */
export interface Publication {
  readonly version: string;
  /** Paths in the clone that `nx release version` changed. */
  readonly changed: readonly string[];
  /** The output of `nx release publish`. */
  readonly output: string;
}

/**
 * Publishes the packages at this workspace's HEAD as a maintainer does: `nx release version`, packing, then
 * `nx release publish`, in a temporary clone.
 */
export async function publishPackages(registry: PackageRegistry, version: string): Promise<Publication> {
  await using clone = await freshClone();
  await linkInstalledPackages(clone.root);
  await appendFile(join(clone.root, '.npmrc'), registry.npmrc);
  const release = (...args: readonly string[]) =>
    runOk(clone.root, 'npx', ['nx', 'release', ...args, '--groups=packages']);
  await release('version', version);
  const changed = await runOk(clone.root, 'git', ['diff', 'HEAD', '--name-only', '--', ':!.npmrc']);
  // With --groups, Nx skips the tasks that publishing depends on.
  await runOk(clone.root, 'npx', ['nx', 'run-many', '--targets=pack']);
  const output = await release('publish', `--registry=${registry.url}`);
  return { version, changed: changed.split('\n').filter(Boolean), output };
}
