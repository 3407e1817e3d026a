import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeFile, replaceFile } from './replace-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replace-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('a replaced file has the new content and the given mode, and nothing is left next to it', async () => {
  const path = join(folder, 'deep/record.json');
  replaceFile(path, 'one');
  replaceFile(path, 'two', 0o600);
  expect(await readFile(path, 'utf8')).toBe('two');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(folder, 'deep'))).toEqual(['record.json']);
});

it('what a killed process left next to a file is neither followed nor kept', async () => {
  const path = join(folder, 'record.json');
  await writeFile(join(folder, '.record.json.tmp'), 'half', { mode: 0o666 });
  replaceFile(path, 'whole', 0o600);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await writeFile(join(folder, '.record.json.tmp'), 'half');
  removeFile(path);
  expect(await readdir(folder)).toEqual([]);
});

it('a file that cannot be replaced is left unchanged', async () => {
  const path = join(folder, 'record.json');
  await mkdir(join(path, 'inside'), { recursive: true });
  expect(() => replaceFile(path, 'new')).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(await readdir(folder)).toEqual(['record.json']);
});
