import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readVersionFacts } from './facts.ts';
import { DEFAULT_TAG_PATTERN } from './tag-pattern.ts';

describe('readVersionFacts', () => {
  let root: string;
  const git = (...args: readonly string[]) =>
    execFileSync('git', [...GIT_AUTHOR, ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, GIT_COMMITTER_DATE: '1700000000 +0000' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  const read = async () => {
    const { tagsAtHead, head } = await readVersionFacts(root, {}, DEFAULT_TAG_PATTERN);
    return { tagsAtHead, head };
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'version-facts-'));
    git('init', '--quiet', '--initial-branch=main');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(root, { recursive: true });
  });

  const commit = () => {
    git('commit', '--quiet', '--allow-empty', '--message=a commit');
    return { revision: git('rev-parse', 'HEAD'), date: 1_700_000_000 };
  };

  it('finds exactly the tags at HEAD, in any format', async () => {
    commit();
    git('tag', 'v0.9.0');
    const head = commit();
    git('tag', 'v1.0.0');
    git('tag', '--annotate', '--message=said', '@acme/server@1.0.0');
    git('branch', 'v2.0.0');
    expect(await read()).toEqual({ tagsAtHead: ['@acme/server@1.0.0', 'v1.0.0'], head });
  });

  it.each<[string, () => unknown]>([
    ['on a branch', () => {}],
    ['without a branch', () => git('checkout', '--quiet', '--detach')],
    [
      'without a branch, at an annotated tag',
      () => {
        git('tag', '--annotate', '--message=said', 'said');
        git('checkout', '--quiet', '--detach');
        git('branch', '--delete', '--force', 'main');
      },
    ],
    [
      'without a branch or a tag',
      () => {
        git('checkout', '--quiet', '--detach');
        git('branch', '--delete', '--force', 'main');
      },
    ],
    ['with signatures shown', () => git('config', 'log.showSignature', 'true')],
    ['with tags and branches packed', () => git('pack-refs', '--all')],
  ])('finds HEAD’s commit %s', async (_, change) => {
    const head = commit();
    change();
    expect((await read()).head).toEqual(head);
  });

  it('starts git only once on a branch, since every Nx run waits for it', async () => {
    commit();
    const program = execFileSync('which', ['git'], { encoding: 'utf8' }).trim();
    await mkdir(join(root, 'bin'));
    await writeFile(join(root, 'bin/git'), `#!/bin/sh\necho "$1" >> ${root}/asked\nexec ${program} "$@"\n`);
    await chmod(join(root, 'bin/git'), 0o755);
    vi.stubEnv('PATH', `${join(root, 'bin')}:${process.env.PATH}`);
    await read();
    expect(await readFile(join(root, 'asked'), 'utf8')).toBe('for-each-ref\n');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['before the first commit', async () => {}],
    ['outside a repository', () => rm(join(root, '.git'), { recursive: true })],
  ])('finds neither tags nor a commit %s', async (_, change) => {
    await change();
    expect(await read()).toEqual({ tagsAtHead: [], head: undefined });
  });
});
