import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrebuiltError } from '../errors.ts';
import { parsePlatform } from './platform.ts';
import {
  formatReport,
  parseReport,
  readReport,
  requirePassingReport,
  type VerifyReport,
} from './verify-report.ts';

const platform = parsePlatform('linux/arm64');
const report: VerifyReport = {
  schemaVersion: 1,
  platform,
  version: '1.2.3',
  manifestSha256: 'a'.repeat(64),
  executableSha256: 'b'.repeat(64),
  result: 'passed',
  execution: { how: 'emulated', emulator: 'qemu-aarch64' },
  findings: [{ severity: 'warning', code: 'NOT_EXECUTED', message: 'no emulator' }],
};

describe('a verify report', () => {
  it('a verify report is read as it was written', () => {
    expect(parseReport(formatReport(report), 'linux-arm64.json')).toEqual(report);
  });

  it.each([
    ['an unknown result', { result: 'ok' }, 'result'],
    ['no manifest', { manifestSha256: '' }, 'manifestSha256'],
    ['an unknown platform', { platform: 'linux/pdp11' }, 'linux/pdp11'],
    ['an execution of an unknown kind', { execution: { how: 'guessed' } }, 'execution'],
    ['an unknown key', { extra: 1 }, 'extra'],
  ])('a verify report is refused with %s', (_, change, expected) => {
    expect(() => parseReport(JSON.stringify({ ...report, ...change }), 'linux-arm64.json')).toThrow(
      expect.objectContaining({ code: 'INVALID_REPORT', message: expect.stringContaining(expected) }),
    );
  });

  it('parsing a verify report throws a typed error for any other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(() => parseReport(text, 'x')).toThrow(PrebuiltError);
      }),
    );
  });

  it('a verify report is found by its platform, or undefined', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      await writeFile(join(folder, 'linux-arm64.json'), formatReport(report));
      expect(await readReport(folder, platform)).toEqual(report);
      expect(await readReport(folder, parsePlatform('linux/amd64'))).toBeUndefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  const artifact = { platform, sha256: report.executableSha256 };

  it('a verify report that passed for this manifest and executable is accepted', () => {
    expect(() => requirePassingReport(report, artifact, report.manifestSha256, 'dist/verify')).not.toThrow();
  });

  it.each<[string, VerifyReport | undefined, string]>([
    ['is missing', undefined, 'found none'],
    [
      'is for another platform',
      { ...report, platform: parsePlatform('linux/amd64') },
      'found one for linux/amd64',
    ],
    [
      'is for another manifest',
      { ...report, manifestSha256: 'c'.repeat(64) },
      'found one for another manifest (cccccccccccc…, version 1.2.3)',
    ],
    [
      'is for another executable',
      { ...report, executableSha256: 'c'.repeat(64) },
      'found one for another executable',
    ],
    [
      'failed',
      {
        ...report,
        result: 'failed',
        findings: [{ severity: 'error', code: 'WRONG_SIZE', message: 'too long' }],
      },
      'found one that failed: too long',
    ],
  ])('a verify report that %s is refused by requirePassingReport', (_, found, said) => {
    expect(() => requirePassingReport(found, artifact, report.manifestSha256, 'dist/verify')).toThrow(
      expect.objectContaining({
        code: 'VERIFY_REPORT',
        message: `linux/arm64: expected a passing report in dist/verify, ${said}`,
      }),
    );
  });
});
