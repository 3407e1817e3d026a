import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EMPTY_LOCK } from '../../lock/lock.ts';
import type { ListedOption } from './entries.ts';
import { planListed } from './plan.ts';
import { readListed } from './workspace-files.ts';

let top: string;
let root: string;
beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), 'listed-'));
  root = join(top, 'workspace');
  await write('LICENSE', 'MIT');
  await write('assets/index.html', '<html>');
  await write('assets/bin/tool', '#!/bin/sh', 0o700);
  await writeFile(join(top, 'secret'), 'secret');
});
afterEach(() => rm(top, { recursive: true }));

async function write(path: string, content: string, mode = 0o600): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  await chmod(join(root, path), mode);
}

/** The message that refuses the plan, with one line per problem. */
async function refusal(...options: readonly ListedOption[]): Promise<string> {
  const facts = await readListed(root, options);
  try {
    planListed(facts, EMPTY_LOCK);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

describe('readListed', () => {
  it('finds a file, and a folder with everything inside', async () => {
    const { entries, problems } = await readListed(root, [
      'LICENSE',
      { path: 'assets', to: '/srv/www', owner: 'nonroot' },
    ]);
    expect(problems).toEqual([]);
    const real = (path: string) => expect.stringMatching(new RegExp(`/workspace/${path}$`));
    expect(entries).toEqual([
      {
        kind: 'workspace',
        path: 'LICENSE',
        owner: '0:0',
        folders: [],
        files: [{ path: 'LICENSE', source: real('LICENSE'), mode: '0644' }],
      },
      {
        kind: 'workspace',
        path: 'assets',
        owner: '65532:65532',
        folders: ['srv/www', 'srv/www/bin'].map((path) => ({ path, mode: '0755' })),
        files: [
          { path: 'srv/www/bin/tool', source: real('assets/bin/tool'), mode: '0755' },
          { path: 'srv/www/index.html', source: real('assets/index.html'), mode: '0644' },
        ],
      },
    ]);
  });

  it('puts a folder’s content at the image’s root', async () => {
    const { entries } = await readListed(root, [{ path: 'assets', to: '/' }]);
    expect(entries).toMatchObject([
      { folders: [{ path: 'bin' }], files: [{ path: 'bin/tool' }, { path: 'index.html' }] },
    ]);
  });

  it('gives files the entry’s mode, and folders their usual mode', async () => {
    const { entries } = await readListed(root, [{ path: 'assets', mode: '0440' }]);
    expect(entries).toMatchObject([
      { folders: [{ mode: '0755' }, { mode: '0755' }], files: [{ mode: '0440' }, { mode: '0440' }] },
    ]);
  });

  it('follows a link to a file that stays inside the workspace', async () => {
    await symlink('../LICENSE', join(root, 'assets/LICENSE'));
    const { entries, problems } = await readListed(root, ['assets']);
    expect(problems).toEqual([]);
    expect(entries).toMatchObject([{ files: [{ path: 'assets/LICENSE' }, {}, {}] }]);
  });

  it.each([
    [
      'a link out of the workspace',
      '../secret',
      'link',
      /link: expected a file or folder inside the workspace, found a link to/,
    ],
    [
      'a link to a folder outside the workspace',
      '..',
      'link/secret',
      /link\/secret: expected a file or folder inside/,
    ],
    ['a broken link', 'nowhere', 'link', /link: expected a file or folder, found none/],
  ])('refuses %s', async (_, target, path, problem) => {
    await symlink(target, join(root, 'link'));
    expect(await refusal(path)).toMatch(problem);
  });

  it('refuses links inside a listed folder that lead out of the workspace or form a loop', async () => {
    await symlink('../../secret', join(root, 'assets/secret'));
    await symlink('.', join(root, 'assets/bin/again'));
    const message = await refusal('assets');
    expect(message).toMatch(/assets\/secret: expected a file or folder inside the workspace/);
    expect(message).toMatch(/assets\/bin\/again: a link to a folder, which may cause a loop/);
  });

  it('refuses a special file', async () => {
    execFileSync('mkfifo', [join(root, 'assets/pipe')]);
    expect(await refusal('assets')).toMatch(/assets\/pipe: expected a file or folder, found a special file/);
  });

  it.each([
    ['ca-certificate', /did you mean the built-in "ca-certificates"\?/],
    [{ path: 'apps/server/tzdate' }, /did you mean the built-in "tzdata"\?/],
    ['user', /did you mean the built-in "users"\?/],
  ])('suggests the built-in that %j may have meant', async (option, problem) => {
    expect(await refusal(option)).toMatch(problem);
  });

  it('reports all problems at once, and what to do', async () => {
    const message = await refusal(
      'tzdata',
      'NOTICE',
      '../secret',
      { path: 'LICENSE', to: '/a' },
      { path: 'assets/index.html', to: '/a' },
      { path: 'assets/bin/tool', to: '/a/b' },
      { path: 'LICENSE', to: '/' },
      { path: 'LICENSE', mode: '8' },
    );
    expect(message.split('\n')).toHaveLength(7);
    for (const problem of [
      'tzdata: expected an entry in prebuilt.lock.json, found none; add it: npx nx g @prebuilt/nx:lock',
      'NOTICE: expected a file or folder, found none',
      '../secret: expected a file or folder inside the workspace',
      '/a: would be added twice',
      '/a: would be both a file and the folder of /a/b',
      'LICENSE: to: expected a path for the file, found "/"',
      'LICENSE: mode: expected an octal mode',
    ]) {
      expect(message).toContain(problem);
    }
  });
});
