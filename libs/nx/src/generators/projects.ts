import { posix } from 'node:path';
import { getProjects, globAsync, type Tree } from '@nx/devkit';

/** A project, as needed by generators. */
export interface FoundProject {
  /** Relative to the workspace root, with `/`. */
  readonly root: string;
  readonly tags?: readonly string[];
}

/**
 * The workspace's projects by name: those with a project.json or package.json, and those with only a prebuilt.json,
 * which Nx's `getProjects` doesn't find. Like the plugin, names the latter after their folders.
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
