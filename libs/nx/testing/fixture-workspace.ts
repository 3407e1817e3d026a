import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** This repository's root. */
export const REPOSITORY = join(import.meta.dirname, '../../..');

/** A workspace in a temporary folder with this repository's prebuilt.lock.json and `.cache`. */
export interface FixtureWorkspace {
  readonly root: string;
  write(path: string, content: string): Promise<void>;
  remove(): Promise<void>;
}

/** Creates a workspace with the given files (paths relative to its root). */
export async function fixtureWorkspace(files: Readonly<Record<string, string>>): Promise<FixtureWorkspace> {
  const root = await mkdtemp(join(tmpdir(), 'workspace-'));
  const write = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  await copyFile(join(REPOSITORY, 'prebuilt.lock.json'), join(root, 'prebuilt.lock.json'));
  await mkdir(join(REPOSITORY, '.cache'), { recursive: true });
  await symlink(join(REPOSITORY, '.cache'), join(root, '.cache'));
  for (const [path, content] of Object.entries(files)) await write(path, content);
  return { root, write, remove: () => rm(root, { recursive: true, force: true }) };
}
