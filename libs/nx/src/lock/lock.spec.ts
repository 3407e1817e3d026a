import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../testing/fixture-workspace.ts';
import { PrebuiltError } from '../errors.ts';
import { EMPTY_LOCK, formatLock, LOCK_FILE, parseLock, readLock } from './lock.ts';

describe('parseLock', () => {
  it("reads this repository's own lock, and formatLock reproduces its bytes", async () => {
    const text = await readFile(join(REPOSITORY, LOCK_FILE), 'utf8');
    expect(formatLock(parseLock(text, LOCK_FILE))).toBe(text);
  });

  it('reports all problems at once, each with its path', () => {
    const lock = {
      lockVersion: 2,
      bun: { version: '1.4.4', packages: { '@oven/bun': { integrity: 'sha1-x', sha256: 'short' } } },
      sysroots: {
        'linux/amd64': {
          libc6: {
            version: '2.36',
            architecture: 'amd64',
            path: '../libc6.deb',
            sha256: '0'.repeat(64),
            contents: '0'.repeat(64),
          },
        },
      },
    };
    expect(() => parseLock(JSON.stringify(lock), LOCK_FILE)).toThrow(
      expect.objectContaining({
        code: 'LOCKFILE',
        hint: expect.stringContaining('npx nx g @prebuilt/nx:lock'),
        message: expect.stringMatching(
          /lockVersion.*bun\.packages\.@oven\/bun\.integrity.*bun\.packages\.@oven\/bun\.sha256.*sysroots\.linux\/amd64\.libc6\.path/,
        ),
      }),
    );
  });

  it.each([
    ['an unknown key', { lockVersion: 1, extra: 1 }, 'extra'],
    ['an unknown platform', { lockVersion: 1, sysroots: { 'plan9/mips': {} } }, 'sysroots'],
    ['an image without a digest', { lockVersion: 1, images: { 'debian:12': 'latest' } }, 'images.debian:12'],
    [
      'a package name that apt would read as an option',
      { lockVersion: 1, data: { '-o=x': {} } },
      'expected a Debian package name',
    ],
  ])('refuses %s', (_, lock, problem) => {
    expect(() => parseLock(JSON.stringify(lock), LOCK_FILE)).toThrow(
      expect.objectContaining({ code: 'LOCKFILE', message: expect.stringContaining(problem) }),
    );
  });

  it('throws a typed error for any text that is not a lock', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(() => parseLock(text, LOCK_FILE)).toThrow(PrebuiltError);
      }),
    );
  });
});

describe('formatLock', () => {
  it('sorts keys, so that the order in which entries were added does not matter', () => {
    const images = { b: `sha256:${'0'.repeat(64)}`, a: `sha256:${'1'.repeat(64)}` };
    expect(formatLock({ lockVersion: 1, images })).toBe(
      formatLock({ images: { a: images.a, b: images.b }, lockVersion: 1 }),
    );
  });
});

describe('readLock', () => {
  it('returns an empty lock if there is no file, and refuses a broken one', async () => {
    const root = await mkdtemp(join(tmpdir(), 'lock-'));
    try {
      expect(await readLock(root)).toEqual(EMPTY_LOCK);
      await writeFile(join(root, LOCK_FILE), '{');
      await expect(readLock(root)).rejects.toMatchObject({ code: 'LOCKFILE' });
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
