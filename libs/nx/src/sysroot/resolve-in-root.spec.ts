import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveInRoot } from './resolve-in-root.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'root-'));
  await mkdir(join(root, 'usr/lib'), { recursive: true });
  await writeFile(join(root, 'usr/lib/libc.so.6'), '');
  await symlink('usr/lib', join(root, 'lib'));
});
afterEach(() => rm(root, { recursive: true }));

describe('resolveInRoot', () => {
  it.each([
    ['follows a relative link', 'x', 'lib/libc.so.6'],
    ['follows an absolute link inside the root', 'x', '/lib/libc.so.6'],
    ['keeps a link that climbs too far inside the root', 'x', '../../../../usr/lib/libc.so.6'],
  ])('%s', async (_, name, target) => {
    await symlink(target, join(root, name));
    expect(await resolveInRoot(root, `/${name}`)).toBe(join(root, 'usr/lib/libc.so.6'));
  });

  it('follows a linked parent folder', async () => {
    expect(await resolveInRoot(root, '/lib/libc.so.6')).toBe(join(root, 'usr/lib/libc.so.6'));
  });

  it('finds nothing behind a link to a file on the host', async () => {
    await symlink('/etc/passwd', join(root, 'passwd'));
    expect(await resolveInRoot(root, '/passwd')).toBeUndefined();
  });

  it('stops at a loop of links', async () => {
    await symlink('b', join(root, 'a'));
    await symlink('a', join(root, 'b'));
    expect(await resolveInRoot(root, '/a')).toBeUndefined();
  });
});
