import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleManifest, withWorker } from '../../testing/sample-manifest.ts';
import { PrebuiltError } from '../errors.ts';
import { formatChecksums, parseChecksums } from './checksums.ts';

const a = 'a'.repeat(64);

describe('formatChecksums', () => {
  it('lists the executables sorted by name, one line each', () => {
    const reversed = { ...sampleManifest, platforms: [...sampleManifest.platforms].reverse() };
    expect(formatChecksums(reversed)).toBe(
      `${a}  mount-monitor-linux-amd64\n${a}  mount-monitor-linux-arm64\n`,
    );
  });
});

describe('formatChecksums of a program with several executables', () => {
  it('lists every executable', () => {
    const names = parseChecksums(formatChecksums(withWorker(sampleManifest)), 'x').map(({ path }) => path);
    expect(names).toEqual([
      'mount-monitor-linux-amd64',
      'mount-monitor-linux-arm64',
      'worker-linux-amd64',
      'worker-linux-arm64',
    ]);
  });
});

describe('parseChecksums', () => {
  it('reads the output of formatChecksums', () => {
    expect(parseChecksums(formatChecksums(sampleManifest), 'checksums.txt')).toEqual([
      { sha256: a, path: 'mount-monitor-linux-amd64' },
      { sha256: a, path: 'mount-monitor-linux-arm64' },
    ]);
  });

  it('reads the output of GNU sha256sum in text and binary mode', () => {
    const folder = mkdtempSync(join(tmpdir(), 'checksums-'));
    try {
      writeFileSync(join(folder, 'file'), 'content');
      for (const mode of ['--text', '--binary']) {
        const { stdout } = spawnSync('sha256sum', [mode, 'file'], { cwd: folder, encoding: 'utf8' });
        expect(parseChecksums(stdout, 'checksums.txt')).toEqual([
          { sha256: 'ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73', path: 'file' },
        ]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    ['a folder in a name', `${a}  ../x\n`, 'checksums.txt:1'],
    ['one space', `${a} x\n`, 'checksums.txt:1'],
    ['an empty line in the middle', `${a}  x\n\n${a}  y\n`, 'checksums.txt:2'],
    ['a duplicate name', `${a}  x\n${a}  x\n`, 'x is given twice'],
    ['uppercase digits', `${'A'.repeat(64)}  x\n`, 'checksums.txt:1'],
  ])('refuses %s', (_, text, expected) => {
    expect(() => parseChecksums(text, 'checksums.txt')).toThrow(
      expect.objectContaining({ code: 'INVALID_CHECKSUMS', message: expect.stringContaining(expected) }),
    );
  });

  it('returns checksums or throws a typed error for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseChecksums(text, 'checksums.txt');
        } catch (error) {
          expect(error).toBeInstanceOf(PrebuiltError);
        }
      }),
    );
  });
});
