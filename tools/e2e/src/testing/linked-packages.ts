import type { Dirent } from 'node:fs';
import { cp, glob, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { THIS_WORKSPACE } from './workspace.ts';

/** The folders that `npm ci` writes, from the workspace's root: a project has its own if it needs another version. */
export async function installedFolders(): Promise<readonly string[]> {
  const nested = glob('{apps,libs,tools}/*/node_modules', { cwd: THIS_WORKSPACE });
  return ['node_modules', ...(await Array.fromAsync(nested)).toSorted()];
}

/**
 * Gives a clone of this workspace the installed packages without copying them: each is a link to ours, except that the
 * workspace's own packages are the clone's, and that those in `copied` are copies.
 */
export async function linkInstalledPackages(root: string, copied: readonly string[] = []): Promise<void> {
  for (const folder of await installedFolders()) await linkFolder(folder, root);
  for (const name of copied) {
    const path = join('node_modules', name);
    await rm(join(root, path));
    await cp(join(THIS_WORKSPACE, path), join(root, path), { recursive: true });
  }
}

async function linkFolder(folder: string, root: string): Promise<void> {
  await mkdir(join(root, folder));
  for (const entry of await readdir(join(THIS_WORKSPACE, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (isScope(entry)) await linkFolder(path, root);
    else await symlink(await targetOf(entry, join(THIS_WORKSPACE, path)), join(root, path));
  }
}

function isScope(entry: Dirent): boolean {
  return entry.isDirectory() && entry.name.startsWith('@');
}

// npm's links to the workspace's packages are relative, so the same links in the clone point to its own packages.
async function targetOf(entry: Dirent, path: string): Promise<string> {
  return entry.isSymbolicLink() ? await readlink(path) : path;
}
