import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { installedFolders, linkInstalledPackages } from './linked-packages.ts';
import { run, runOk, THIS_WORKSPACE } from './workspace.ts';

/** A clone of a repository's HEAD in a temporary folder. Disposing of it deletes the folder. */
export interface Clone extends AsyncDisposable {
  readonly root: string;
}

/**
 * Only clones, like a user right after `git clone`. Without tags, so that the version is always that of an untagged
 * commit, even if this runs on the commit of a release.
 */
export async function freshClone(repository: string = THIS_WORKSPACE): Promise<Clone> {
  const folder = await mkdtemp(join(tmpdir(), 'clone-'));
  const root = join(folder, 'workspace');
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await runOk(folder, 'git', ['clone', '--quiet', '--no-tags', repository, root]);
    return { root, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Clones, with the npm packages that `./bootstrap` has installed in this workspace already in place. `./bootstrap` then
 * only compares their stamp with the lockfile, and fetches everything else.
 */
export async function cloneWithPackages(repository: string = THIS_WORKSPACE): Promise<Clone> {
  const clone = await freshClone(repository);
  try {
    // Linking takes a sixth of the time of copying, and is safe: npm replaces files and never modifies them in place.
    if (await weAreBootstrapped()) {
      for (const folder of await installedFolders()) await copyOurs(clone, '--link', folder);
    }
    return clone;
  } catch (error) {
    await clone[Symbol.asyncDispose]();
    throw error;
  }
}

/** Clones and runs `./bootstrap`, with most of its work already done: packages and sysroots are copied from ours. */
export async function bootstrappedClone(repository: string = THIS_WORKSPACE): Promise<Clone> {
  const clone = await cloneWithPackages(repository);
  try {
    if (await weAreBootstrapped()) await copyOurs(clone, '--reflink=auto', '.cache');
    await runOk(clone.root, './bootstrap', []);
    return clone;
  } catch (error) {
    await clone[Symbol.asyncDispose]();
    throw error;
  }
}

async function weAreBootstrapped(): Promise<boolean> {
  const { exitCode } = await run(THIS_WORKSPACE, './bootstrap', ['--check']);
  return exitCode === 0;
}

async function copyOurs({ root }: Clone, kind: string, path: string): Promise<void> {
  await runOk(root, 'cp', ['--archive', kind, join(THIS_WORKSPACE, path), join(root, path)]);
}

/**
 * Like `bootstrappedClone`, but with links to our packages and sysroots: for tests that only build, and change neither.
 * The app's own packages are copied, because an executable depends on the paths of its sources.
 */
export async function linkedClone(): Promise<Clone> {
  if (!(await weAreBootstrapped())) return bootstrappedClone();
  const clone = await freshClone();
  try {
    await linkInstalledPackages(clone.root, await packagesOf('apps/mount-monitor'));
    await mkdir(join(clone.root, '.cache'));
    await symlink(join(THIS_WORKSPACE, '.cache/prebuilt'), join(clone.root, '.cache/prebuilt'));
    await runOk(clone.root, './bootstrap', ['--check']);
    return clone;
  } catch (error) {
    await clone[Symbol.asyncDispose]();
    throw error;
  }
}

async function packagesOf(project: string): Promise<readonly string[]> {
  const { dependencies }: { dependencies: Readonly<Record<string, string>> } = JSON.parse(
    await readFile(join(THIS_WORKSPACE, project, 'package.json'), 'utf8'),
  );
  return Object.keys(dependencies);
}

/** This machine's architecture, whose executables need no emulator. */
export const OWN_ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** Limits a clone's releases to this machine's platform: half the work, where a second platform proves nothing more. */
export async function releaseOwnPlatformAlone({ root }: Clone): Promise<void> {
  const path = join(root, 'tools/release/prebuilt.json');
  const settings: object = JSON.parse(await readFile(path, 'utf8'));
  const platforms = [`linux/${OWN_ARCHITECTURE}`];
  await writeFile(path, `${JSON.stringify({ ...settings, platforms }, undefined, 2)}\n`);
  await runOk(root, 'git', [...GIT_AUTHOR, 'commit', '--quiet', '--all', '--message=one platform']);
}
