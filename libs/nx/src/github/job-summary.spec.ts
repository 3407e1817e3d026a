import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeJobOutputs, writeJobSummary } from './job-summary.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'job-summary-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('writeJobSummary', () => {
  it('writeJobSummary appends each text to the file that the runner names, separated by an empty line', async () => {
    const path = join(folder, 'summary');
    await writeJobSummary('# One', { GITHUB_STEP_SUMMARY: path });
    await writeJobSummary('# Two', { GITHUB_STEP_SUMMARY: path });
    expect(await readFile(path, 'utf8')).toBe('# One\n\n# Two\n\n');
  });

  it.each([{}, { GITHUB_STEP_SUMMARY: '' }])(
    'writeJobSummary writes nothing in the environment %j',
    async (environment) => {
      await writeJobSummary('# One', environment);
      expect(await readdir(folder)).toEqual([]);
    },
  );
});

describe('writeJobOutputs', () => {
  it('writeJobOutputs appends single-line outputs unchanged', async () => {
    const path = join(folder, 'outputs');
    await writeJobOutputs({ version: '1.2.3', digest: 'sha256:0' }, { GITHUB_OUTPUT: path });
    await writeJobOutputs({ more: '' }, { GITHUB_OUTPUT: path });
    expect(await readFile(path, 'utf8')).toBe('version=1.2.3\ndigest=sha256:0\nmore=\n');
  });

  it('writeJobOutputs keeps a multi-line value from setting another output', async () => {
    const path = join(folder, 'outputs');
    await writeJobOutputs({ notes: 'first\nversion=9.9.9' }, { GITHUB_OUTPUT: path });
    const lines = (await readFile(path, 'utf8')).split('\n');
    const [, delimiter] = /^notes<<(\S+)$/.exec(lines[0] ?? '') ?? [];
    expect(lines.slice(1)).toEqual(['first', 'version=9.9.9', delimiter, '']);
  });

  it('writeJobOutputs refuses an invalid name', async () => {
    await expect(writeJobOutputs({ 'a\nb': 'x' }, { GITHUB_OUTPUT: join(folder, 'x') })).rejects.toThrow(
      RangeError,
    );
  });

  it('writeJobOutputs writes nothing outside of a job', async () => {
    await writeJobOutputs({ version: '1.2.3' }, {});
    expect(await readdir(folder)).toEqual([]);
  });
});
