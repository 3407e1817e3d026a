import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { expect, it } from 'vitest';
import { freshClone } from './clone.ts';
import { runOk } from './workspace.ts';

const tagsAtHead = (root: string) => runOk(root, 'git', ['tag', '--points-at=HEAD']);

it('a clone for tests has no tag, even if its repository is at that of a release', async () => {
  const repository = await mkdtemp(join(tmpdir(), 'tagged-'));
  try {
    const git = (...args: readonly string[]) => runOk(repository, 'git', [...GIT_AUTHOR, ...args]);
    await git('init', '--quiet');
    await git('commit', '--quiet', '--allow-empty', '--message=release');
    await git('tag', 'v1.2.3');
    expect(await tagsAtHead(repository)).toBe('v1.2.3');
    await using clone = await freshClone(repository);
    expect(await tagsAtHead(clone.root)).toBe('');
  } finally {
    await rm(repository, { recursive: true });
  }
});

it('a clone of this workspace has no tag, so its version is that of an untagged commit', async () => {
  await using clone = await freshClone();
  expect(await tagsAtHead(clone.root)).toBe('');
});
