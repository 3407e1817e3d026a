import { posix } from 'node:path';
import type { Tree } from '@nx/devkit';
import type { ProjectFolder } from '../toolchains/index.ts';

/** A project's folder in a generator's tree, for detecting toolchains. */
export function projectFolder(tree: Tree, root: string): ProjectFolder {
  return {
    has: (path) => tree.isFile(posix.join(root, path)),
    read: (path) => tree.read(posix.join(root, path), 'utf8') ?? undefined,
  };
}
