import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import { PrebuiltError } from '../errors.ts';
import { formatManifest, MANIFEST_FILE, type Manifest, parseManifest, readManifest } from './manifest.ts';
import { parsePlatform } from './platform.ts';
import { formatReport, parseReport, readReport, reportFileName, type VerifyReport } from './verify-report.ts';

const PLATFORM = parsePlatform('linux/amd64');
const REPORT: VerifyReport = {
  schemaVersion: 1,
  platform: PLATFORM,
  version: '1.2.3',
  manifestSha256: 'd'.repeat(64),
  executableSha256: 'a'.repeat(64),
  result: 'passed',
  execution: { how: 'native' },
  findings: [],
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-'));
});
afterEach(() => rm(folder, { recursive: true }));

const FILES = [
  ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
  [
    'a link to a valid file',
    async (path: string) => {
      await writeFile(`${path}.good`, await readFile(path));
      await rm(path);
      await symlink(`${path}.good`, path);
    },
  ],
  ['a link to an infinite device', (path: string) => symlink('/dev/zero', path)],
  ['a one-terabyte file', (path: string) => writeFile(path, '').then(() => truncate(path, 1024 ** 4))],
  ['a folder', (path: string) => mkdir(path)],
  ['a huge number', (path: string) => writeFile(path, '9'.repeat(500_000))],
  ['deeply nested lists', (path: string) => writeFile(path, '['.repeat(500_000))],
] as const;

describe.each([
  [
    'readManifest',
    MANIFEST_FILE,
    formatManifest(sampleManifest),
    () => readManifest(folder),
    'INVALID_MANIFEST',
  ],
  [
    'readReport',
    reportFileName(PLATFORM),
    formatReport(REPORT),
    () => readReport(folder, PLATFORM),
    'INVALID_REPORT',
  ],
] as const)('%s', (_title, name, good, read, code) => {
  it.each(FILES)('promptly refuses %s', async (title, put) => {
    const path = join(folder, name);
    if (title === 'a link to a valid file') await writeFile(path, good);
    await put(path);
    const started = performance.now();
    await expect(read()).rejects.toMatchObject({ name: 'PrebuiltError', code });
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('parseManifest', () => {
  // biome-ignore lint/suspicious/noExplicitAny: forgeries violate the type
  const changed = (change: (manifest: any) => void): Manifest => {
    const data = JSON.parse(formatManifest(sampleManifest));
    change(data);
    return parseManifest(JSON.stringify(data), 'manifest.json');
  };

  it.each<[string, Parameters<typeof changed>[0]]>([
    [
      'a line break in its version',
      (data) => {
        data.version = '1.2.3\n::add-mask::x';
      },
    ],
    [
      'a control character in its version',
      (data) => {
        data.version = '1.2.3\u001b[2J';
      },
    ],
    [
      'a line break in a package name',
      (data) => {
        data.toolchain.version = 'a\rb';
      },
    ],
    [
      'a date after the year 9999',
      (data) => {
        data.sourceDateEpoch = 253_402_300_800;
      },
    ],
    [
      'a date that is not an integer',
      (data) => {
        data.sourceDateEpoch = 1.5;
      },
    ],
    [
      'a size above a terabyte',
      (data) => {
        data.platforms[0].size = 2 ** 50;
      },
    ],
    [
      'a size that is not a safe integer',
      (data) => {
        data.platforms[0].size = 1e308;
      },
    ],
    [
      'a duplicate path',
      (data) => {
        data.platforms[0].runtime.files.push(data.platforms[0].runtime.files[0]);
      },
    ],
    [
      'a path below a file',
      (data) => {
        const [file] = data.platforms[0].runtime.files;
        data.platforms[0].runtime.files.push({ ...file, path: `${file.path}/inner` });
      },
    ],
    [
      'a duplicate platform',
      (data) => {
        data.platforms.push(data.platforms[0]);
      },
    ],
  ])('refuses %s', (_, change) => {
    expect(() => changed(change)).toThrow(PrebuiltError);
  });
});

describe('parseReport', () => {
  it('refuses a line break in its version', () => {
    const text = formatReport({ ...REPORT, version: '1.2.3\n::add-mask::x' });
    expect(() => parseReport(text, 'report')).toThrow(/control characters/);
  });
});
