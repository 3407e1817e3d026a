import { describe, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import { diskMode, type ListedGroup, listedProblems } from './listed.ts';
import { formatManifest, parseManifest } from './manifest.ts';

const group = (owner: string, files: readonly string[], folders: readonly string[] = []): ListedGroup => ({
  origin: { kind: 'workspace', path: 'x' },
  owner,
  folders: folders.map((path) => ({ path, mode: '0755' })),
  files: files.map((path) => ({ path, mode: '0644', size: 1, sha256: 'a'.repeat(64) })),
});

const parse = (files: unknown): unknown =>
  parseManifest(formatManifest({ ...sampleManifest, files } as never), 'manifest.json');

describe('listed files in a manifest', () => {
  it('listed files in a manifest may share folders if they have the same owner', () => {
    const groups = [
      group('0:0', ['etc/a', 'b']),
      group('0:0', ['etc/c', 'srv/d'], ['srv']),
      group('1000:1000', ['data/x', 'data/sub/y'], ['data', 'data/sub']),
      group('1000:1000', ['data/z']),
    ];
    expect(listedProblems(groups)).toEqual([]);
    expect(() => parse(groups)).not.toThrow();
  });

  it.each<[string, readonly ListedGroup[], RegExp]>([
    ['a duplicate path', [group('0:0', ['a']), group('0:0', ['a'])], /\/a: would be added twice/],
    ['a duplicate path in one group', [group('0:0', ['a', 'a'])], /\/a: would be added twice/],
    [
      'a path for both a file and a folder',
      [group('0:0', ['a']), group('0:0', [], ['a'])],
      /\/a: would be both a file and a folder/,
    ],
    [
      'a file with files inside',
      [group('0:0', ['a']), group('0:0', ['a/b'])],
      /\/a: would be both a file and the folder of/,
    ],
    [
      'a folder with two owners',
      [group('0:0', [], ['a']), group('1:1', [], ['a'])],
      /\/a: would have two owners/,
    ],
    [
      'root’s file in another owner’s folder',
      [group('1:1', [], ['a']), group('0:0', ['a/b'])],
      /inside \/a, which belongs to 1:1/,
    ],
    [
      'a name that removes files',
      [group('0:0', ['etc/.wh.passwd'])],
      /deletes files when the image is unpacked/,
    ],
    ['a multi-line name', [group('0:0', ['a\nb'])], /without control characters/],
    [
      'another owner’s file with a name that a Dockerfile would expand',
      [group('1:1', ['$HOME'])],
      /expected a path of letters/,
    ],
  ])('listed files in a manifest are refused with %s', (_, groups, problem) => {
    expect(listedProblems(groups).join('\n')).toMatch(problem);
    expect(() => parse(groups)).toThrow(problem);
  });

  it.each([
    [{ owner: 'root' }, /files\.0\.owner: expected a numeric user and group/],
    [{ owner: '0:4294967296' }, /files\.0\.owner: expected numbers up to/],
    [{ files: [{ path: '../x', mode: '0644', size: 1, sha256: 'a'.repeat(64) }] }, /stays inside its folder/],
    [{ files: [{ path: 'x', mode: '4755', size: 1, sha256: 'a'.repeat(64) }] }, /a mode from 0400 to 0777/],
    [{ folders: [{ path: 'x', mode: '0777' }] }, /expected the mode 0755 or 1777/],
    [{ origin: { kind: 'elsewhere' } }, /files\.0\.origin/],
  ])('listed files in a manifest are refused with %j', (change, problem) => {
    expect(() => parse([{ ...group('0:0', ['a']), ...change }])).toThrow(problem);
  });

  it.each([
    ['0400', 0o644],
    ['0640', 0o644],
    ['0710', 0o755],
    ['0755', 0o755],
  ])('listed files in a manifest with mode %s have mode %i on disk', (mode, expected) => {
    expect(diskMode(mode)).toBe(expected);
  });
});
