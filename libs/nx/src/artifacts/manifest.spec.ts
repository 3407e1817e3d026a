import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleManifest, withWorker } from '../../testing/sample-manifest.ts';
import { PrebuiltError } from '../errors.ts';
import {
  executablesOf,
  formatManifest,
  isInnerPath,
  type Manifest,
  parseManifest,
  readManifest,
} from './manifest.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manifest-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('parseManifest', () => {
  it('reads the output of formatManifest', () => {
    expect(parseManifest(formatManifest(sampleManifest), 'manifest.json')).toEqual(sampleManifest);
  });

  it('reads a program with several executables, the main one first', () => {
    const manifest = withWorker(sampleManifest);
    expect(parseManifest(formatManifest(manifest), 'manifest.json')).toEqual(manifest);
    expect(manifest.platforms.flatMap(executablesOf).map(({ path }) => path)).toEqual([
      'mount-monitor-linux-amd64',
      'worker-linux-amd64',
      'mount-monitor-linux-arm64',
      'worker-linux-arm64',
    ]);
  });

  it.each<[string, (copy: Manifest) => unknown, string]>([
    [
      'missing on one platform',
      ({ platforms: [first, second] }) => [first, { ...second, others: [] }],
      'linux/arm64: others: expected worker, as on linux/amd64, found none',
    ],
    [
      'with the path of another platform',
      ({ platforms: [first] }) => [
        { ...first, others: first?.others?.map((each) => ({ ...each, path: 'worker-linux-arm64' })) },
      ],
      'expected the path worker-linux-amd64, found worker-linux-arm64',
    ],
    [
      'that is listed twice',
      ({ platforms: [first] }) => [
        { ...first, others: [...(first?.others ?? []), ...(first?.others ?? [])] },
      ],
      'expected each executable once, found worker-linux-amd64 twice',
    ],
    [
      'with the program’s own name',
      ({ platforms: [first] }) => [
        {
          ...first,
          others: [{ ...first?.others?.[0], name: 'mount-monitor', path: 'mount-monitor-linux-amd64' }],
        },
      ],
      'expected each executable once',
    ],
  ])('refuses an additional executable %s', (_, change, problem) => {
    const manifest = withWorker(sampleManifest);
    const json = JSON.stringify({ ...manifest, platforms: change(manifest) });
    expect(() => parseManifest(json, 'manifest.json')).toThrow(problem);
  });

  it.each<[string, (copy: Record<string, unknown> & Manifest) => unknown, string]>([
    ['another schema version', (m) => ({ ...m, schemaVersion: 1 }), 'schemaVersion'],
    ['an unknown key', (m) => ({ ...m, extra: 1 }), 'extra'],
    ['no platform', (m) => ({ ...m, platforms: [] }), 'platforms'],
    [
      'an unknown platform',
      (m) => ({ ...m, platforms: [{ ...m.platforms[0], platform: 'plan9/amd64' }] }),
      'platforms.0.platform: expected a platform',
    ],
    [
      'a path with a folder',
      (m) => ({ ...m, platforms: [{ ...m.platforms[0], path: '../mount-monitor-linux-amd64' }] }),
      'platforms.0.path: expected a file name',
    ],
    [
      'the file name of another platform',
      (m) => ({ ...m, platforms: [{ ...m.platforms[0], path: 'mount-monitor-linux-arm64' }] }),
      'expected the path mount-monitor-linux-amd64',
    ],
    [
      'a runtime file outside its folder',
      (m) => ({
        ...m,
        platforms: [
          {
            ...m.platforms[0],
            runtime: {
              path: 'runtime-linux-amd64',
              files: [
                { path: '../../etc/passwd', mode: '0644', size: 1, sha256: '0'.repeat(64), package: null },
              ],
            },
          },
        ],
      }),
      'stays inside its folder',
    ],
    [
      'a duplicate platform',
      (m) => ({ ...m, platforms: [m.platforms[0], m.platforms[0]] }),
      'more than once',
    ],
    [
      'a component without a package URL',
      (m) => ({ ...m, components: [{ kind: 'library', purl: 'valibot@1.5.0' }] }),
      'components.0.purl: expected a package URL',
    ],
    ['a short hash', (m) => ({ ...m, platforms: [{ ...m.platforms[0], sha256: 'abc' }] }), '64 lowercase'],
  ])('refuses %s and says where it is', (_, change, expected) => {
    const text = JSON.stringify(
      change(structuredClone(sampleManifest) as Record<string, unknown> & Manifest),
    );
    expect(() => parseManifest(text, 'dist/bin/manifest.json')).toThrow(
      expect.objectContaining({ code: 'INVALID_MANIFEST', message: expect.stringContaining(expected) }),
    );
  });

  it('throws a typed error for any JSON and any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(() => parseManifest(text, 'manifest.json')).toThrow(PrebuiltError);
      }),
    );
  });
});

describe('readManifest', () => {
  it('returns the SHA-256 of the exact bytes it read', async () => {
    const text = `  ${formatManifest(sampleManifest)}`;
    await writeFile(join(folder, 'manifest.json'), text);
    expect(await readManifest(folder)).toEqual({
      manifest: sampleManifest,
      sha256: createHash('sha256').update(text).digest('hex'),
    });
  });

  it('names the missing file and the command that creates it', async () => {
    await expect(readManifest(folder)).rejects.toMatchObject({
      code: 'MANIFEST_MISSING',
      message: expect.stringContaining(join(folder, 'manifest.json')),
      hint: expect.stringContaining('{run build-binaries}'),
    });
  });

  it('refuses a file that is too large', async () => {
    await writeFile(join(folder, 'manifest.json'), ' '.repeat(1024 * 1024 + 1));
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'INVALID_MANIFEST' });
  });
});

describe('isInnerPath', () => {
  it.each([
    ['lib/x86_64-linux-gnu/libc.so.6', true],
    ['a', true],
    ['..a/b..', true],
    ['', false],
    ['/a', false],
    ['a/', false],
    ['a//b', false],
    ['a/../b', false],
    ['./a', false],
    ['a\\b', false],
    ['a\0b', false],
  ])('%j: %s', (path, expected) => {
    expect(isInnerPath(path)).toBe(expected);
  });
});
