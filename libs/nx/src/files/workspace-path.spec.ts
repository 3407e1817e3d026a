import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOutputPath, outputInWorkspace } from './workspace-path.ts';

let folder: string;
let workspace: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'workspace-path-')));
  workspace = join(folder, 'workspace');
  await mkdir(workspace);
});
afterEach(() => rm(folder, { recursive: true }));

describe('outputInWorkspace', () => {
  it('returns the absolute path of a folder inside the workspace', () => {
    expect(outputInWorkspace('/w', 'dist/bin')).toBe('/w/dist/bin');
  });

  it.each(['..', '.', '/etc', 'dist/../..', '../workspace-of-others'])('refuses %s', (path) => {
    expect(() => outputInWorkspace('/w', path)).toThrow(/expected a folder inside \/w/);
  });
});

describe('checkOutputPath', () => {
  it('accepts an existing folder, a missing one, and a link that stays inside', async () => {
    await mkdir(join(workspace, 'dist/bin'), { recursive: true });
    await checkOutputPath(workspace, join(workspace, 'dist/bin'));
    await checkOutputPath(workspace, join(workspace, 'out/of/nothing'));
    await symlink('dist', join(workspace, 'linked'));
    await checkOutputPath(workspace, join(workspace, 'linked/bin'));
  });

  it('accepts a workspace that is itself reached through a link', async () => {
    await symlink('workspace', join(folder, 'link'));
    await checkOutputPath(join(folder, 'link'), join(folder, 'link/dist/bin'));
  });

  it.each([
    ['dist is a link out of the workspace', 'dist', '..'],
    ['dist is a link to a folder next to the workspace', 'dist', '../workspace-of-others'],
    ['the folder itself is a link', 'bin', '..'],
    ['the folder itself is a link to nothing', 'bin', 'nowhere'],
  ])('refuses a folder if %s', async (_, name, target) => {
    await mkdir(join(folder, 'workspace-of-others'));
    await symlink(target, join(workspace, name));
    const path = name === 'bin' ? join(workspace, 'bin') : join(workspace, 'dist/bin');
    await expect(checkOutputPath(workspace, path)).rejects.toMatchObject({ code: 'OUTPUT' });
  });
});
