import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesBelow, readWorkspaceFacts } from './workspace.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pack-'));
});
afterEach(() => rm(root, { recursive: true }));

async function write(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), JSON.stringify(content));
}

describe('the facts of a workspace', () => {
  it('the facts of a workspace distinguish published packages from private ones', async () => {
    await write('package.json', { workspaces: ['libs/*', 'tools/*'] });
    await write('libs/oci/package.json', { name: '@prebuilt/oci', version: '1.2.3' });
    await write('tools/e2e/package.json', { name: '@prebuilt/e2e', version: '0.0.0', private: true });
    const { versions, privateNames } = readWorkspaceFacts(root, {});
    expect([...versions]).toEqual([['@prebuilt/oci', '1.2.3']]);
    expect([...privateNames]).toEqual(['@prebuilt/e2e']);
  });

  const IN_A_JOB = { GITHUB_SERVER_URL: 'https://github.example', GITHUB_REPOSITORY: 'fork/tools' };
  it.each([
    ['a URL', 'https://github.com/acme/tools', IN_A_JOB, 'https://github.com/acme/tools'],
    ['npm’s own form', { url: 'git+https://github.com/a/b.git' }, {}, 'https://github.com/a/b'],
    ['the environment of a GitHub Actions job', undefined, IN_A_JOB, 'https://github.example/fork/tools'],
    ['nowhere, outside of a job', undefined, {}, undefined],
  ])('the facts of a workspace take the repository from %s', async (_, repository, env, expected) => {
    await write('package.json', { workspaces: [], repository });
    expect(readWorkspaceFacts(root, env).repository).toBe(expected);
  });
});

describe('the files below a folder', () => {
  it('filesBelow returns sorted files, without folders and excluded files', async () => {
    for (const path of ['src/b.ts', 'src/a/c.ts', 'src/a/c.spec.ts', 'other.ts']) await write(path, '');
    expect(filesBelow(root, 'src/**/*', ['src/**/*.spec.ts'])).toEqual(['src/a/c.ts', 'src/b.ts']);
  });
});
