import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireCommitted } from './uncommitted.ts';

describe('released sources', () => {
  let root: string;
  const git = (...args: readonly string[]) =>
    execFileSync('git', [...GIT_AUTHOR, ...args], {
      cwd: root,
    });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'uncommitted-'));
    for (const folder of ['app', 'other']) {
      await mkdir(join(root, folder));
      await writeFile(join(root, folder, 'main.go'), 'package main\n');
    }
    git('init', '--quiet');
    git('add', '--all');
    git('commit', '--quiet', '--message=programs');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('released sources are accepted if they match HEAD, even with untracked files', async () => {
    await writeFile(join(root, 'app/binaries.tar'), '');
    await requireCommitted(root, ['app']);
    await requireCommitted(root, []);
  });

  it.each([
    ['changed', () => writeFile(join(root, 'app/main.go'), 'package other\n')],
    ['deleted', () => rm(join(root, 'app/main.go'))],
    ['moved', () => git('mv', 'app/main.go', 'app/other.go')],
    [
      'changed only in the index',
      async () => {
        await writeFile(join(root, 'app/main.go'), 'package other\n');
        git('add', '--all');
      },
    ],
  ])(
    'released sources are refused if a file is %s, unless it belongs to another project',
    async (_, change) => {
      await change();
      await expect(requireCommitted(root, ['app'])).rejects.toMatchObject({
        code: 'UNCOMMITTED',
        message: expect.stringContaining('found app/main.go'),
        // `nx release publish` does not pass the option on.
        hint: expect.stringContaining('To release anyway: {run} --allow-uncommitted'),
      });
      await expect(requireCommitted(root, [])).rejects.toMatchObject({ code: 'UNCOMMITTED' });
      await requireCommitted(root, ['other']);
    },
  );

  it('released sources are not checked outside a repository', async () => {
    await rm(join(root, '.git'), { recursive: true });
    await requireCommitted(root, []);
  });
});
