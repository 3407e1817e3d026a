import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { deployFolder } from './manifests.ts';

const execute = promisify(execFile);

/** The repository's address, as used in pages and examples. */
const address = 'https://github.com/OWNER/mount-monitor';

/**
 * Creates a Git repository below `parent` with deploy/ in the same place as here and the tag v1.0.0. Returns a function
 * that replaces the GitHub address in a text, which cannot be reached, with that repository's address.
 */
export async function localRepository(parent: string): Promise<(text: string) => string> {
  const repository = join(parent, 'repository');
  await cp(deployFolder, join(repository, 'apps/mount-monitor/deploy'), { recursive: true });
  const git = (...args: string[]) => execute('git', ['-C', repository, ...GIT_AUTHOR, ...args]);
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=deploy');
  await git('tag', 'v1.0.0');
  return (text) => text.replaceAll(`${address}//`, `file://${repository}//`);
}
