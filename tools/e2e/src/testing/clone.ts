import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { run, runOk, THIS_WORKSPACE } from './workspace.ts';

/** A clone of a repository's HEAD in a folder of its own; gone when it is disposed of. */
export interface Clone extends AsyncDisposable {
  readonly root: string;
}

/**
 * Clones, and nothing more: what a stranger has after `git clone`. Without tags, so that the version is that of an
 * untagged commit wherever this runs, also for the commit of a release.
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

/** Clones and runs `./bootstrap`, which finds most of its work done: the packages and sysroots are copies of ours. */
export async function bootstrappedClone(repository: string = THIS_WORKSPACE): Promise<Clone> {
  const clone = await freshClone(repository);
  try {
    const { exitCode } = await run(THIS_WORKSPACE, './bootstrap', ['--check']);
    if (exitCode === 0) {
      const copy = (kind: string, name: string) =>
        runOk(clone.root, 'cp', ['--archive', kind, join(THIS_WORKSPACE, name), clone.root]);
      // Links take a sixth of the time of copies; npm replaces files and changes none in place.
      await copy('--link', 'node_modules');
      await copy('--reflink=auto', '.cache');
    }
    await runOk(clone.root, './bootstrap', []);
    return clone;
  } catch (error) {
    await clone[Symbol.asyncDispose]();
    throw error;
  }
}

/** This machine's, whose executables need no emulator. */
export const OWN_ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** Commits in a clone that it releases for this machine's platform alone: half of the work, where the other tells no more. */
export async function releaseOwnPlatformAlone({ root }: Clone): Promise<void> {
  const path = join(root, 'tools/release/prebuilt.json');
  const settings: object = JSON.parse(await readFile(path, 'utf8'));
  const platforms = [`linux/${OWN_ARCHITECTURE}`];
  await writeFile(path, `${JSON.stringify({ ...settings, platforms }, undefined, 2)}\n`);
  await runOk(root, 'git', [...GIT_AUTHOR, 'commit', '--quiet', '--all', '--message=one platform']);
}
