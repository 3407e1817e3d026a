import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freshClone } from '../testing/clone.ts';
import { linkInstalledPackages } from '../testing/linked-packages.ts';
import { copyTaskCache } from '../testing/task-cache.ts';
import { nxCommand, runOk } from '../testing/workspace.ts';
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
 * Publishes the packages at this workspace's HEAD as a maintainer does: packing, `nx release version`, then
 * `nx release publish`, in a temporary clone. What this workspace has already compiled comes from its task cache.
 */
export async function publishPackages(registry: PackageRegistry, version: string): Promise<Publication> {
  await using clone = await freshClone();
  await linkInstalledPackages(clone.root);
  await copyTaskCache(clone.root, 'build');
  await appendFile(join(clone.root, '.npmrc'), registry.npmrc);
  const { file, env } = nxCommand(clone.root);
  const nx = (...args: readonly string[]) => runOk(clone.root, file, args, env);
  const release = (...args: readonly string[]) => nx('release', ...args, '--groups=packages');
  const pack = (...args: readonly string[]) => nx('run-many', '--targets=pack', ...args);
  // Nothing is compiled in a new clone, so this only succeeds if packing depends on the compiler.
  await pack();
  await release('version', version);
  const changed = await runOk(clone.root, 'git', ['diff', 'HEAD', '--name-only', '--', ':!.npmrc']);
  // With --groups, Nx skips the tasks that publishing depends on. The version changes no compiled file.
  await pack('--exclude-task-dependencies');
  const output = await release('publish', `--registry=${registry.url}`);
  return { version, changed: changed.split('\n').filter(Boolean), output };
}
