import { posix } from 'node:path';
import { getProjects, globAsync, type Tree } from '@nx/devkit';

/** What generators use of a project. */
export interface FoundProject {
  /** Relative to the workspace's root, with `/`. */
  readonly root: string;
  readonly tags?: readonly string[];
}

/**
 * The projects of a workspace by name: those that a project.json or a package.json makes, and those that are projects by
 * their prebuilt.json alone, which Nx's `getProjects` does not see. Nx names these after their folder, as the plugin does.
 */
export async function allProjects(tree: Tree): Promise<ReadonlyMap<string, FoundProject>> {
  const projects = new Map<string, FoundProject>(getProjects(tree));
  const roots = new Set([...projects.values()].map(({ root }) => posix.normalize(root)));
  for (const file of await globAsync(tree, ['**/prebuilt.json'])) {
    const root = posix.dirname(file);
    if (root === '.' || roots.has(root) || file.includes('node_modules/')) continue;
    projects.set(posix.basename(root), { root });
  }
  return projects;
}
