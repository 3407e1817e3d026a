import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Task, TaskGraph } from '@nx/devkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashOutputsBefore } from './outputs.ts';

let root: string;
const at = (path: string) => join(root, path);
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outputs-'));
  await mkdir(at('dist/bin/runtime'), { recursive: true });
  await writeFile(at('dist/bin/manifest.json'), '{"name":"one"}');
  await writeFile(at('dist/bin/program'), 'content');
});
afterEach(() => rm(root, { recursive: true }));

const task = (id: string, outputs: readonly string[]): Task => {
  const [project = '', target = ''] = id.split(':');
  return {
    id,
    target: { project, target },
    overrides: {},
    outputs: [...outputs],
    parallelism: true,
    cache: true,
  };
};
const hash = (outputs: readonly string[] = ['dist/bin']) => {
  const [build, verify] = [task('server:build', outputs), task('server:verify', [])];
  const taskGraph: TaskGraph = {
    roots: [],
    tasks: { [build.id]: build, [verify.id]: verify },
    dependencies: { [build.id]: [], [verify.id]: [build.id] },
    continuousDependencies: {},
  };
  return hashOutputsBefore(verify, taskGraph, root);
};

describe('hashOutputsBefore', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['the content of a JSON file', () => writeFile(at('dist/bin/manifest.json'), '{"name":"two"}')],
    ['a new JSON file in a folder', () => writeFile(at('dist/bin/runtime/new.json'), '{}')],
    ['the name of a JSON file', () => rename(at('dist/bin/manifest.json'), at('dist/bin/other.json'))],
    ['a JSON file that is gone', () => rm(at('dist/bin/manifest.json'))],
  ])('hashOutputsBefore follows %s', async (_, change) => {
    const before = hash();
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(hash()).toBe(before);
    await change();
    expect(hash()).toMatch(/^[0-9a-f]{64}$/);
    expect(hash()).not.toBe(before);
  });

  it('hashOutputsBefore leaves out what Nx leaves out: other files', async () => {
    const before = hash();
    await writeFile(at('dist/bin/program'), 'other');
    await chmod(at('dist/bin/manifest.json'), 0o755);
    expect(hash()).toBe(before);
  });

  it.each<[string, () => unknown, (readonly string[])?]>([
    ['an output is missing', () => {}, ['dist/bin', 'dist/verify']],
    ['an output is a file', () => {}, ['dist/bin/manifest.json']],
    ['an output is a pattern', () => {}, ['dist/*']],
    ['an output is outside', () => {}, ['!dist/bin']],
    ['a folder is a link', () => symlink('runtime', at('dist/bin/link'))],
    ['a JSON file is a link', () => symlink('manifest.json', at('dist/bin/link.json'))],
    ['a JSON file is a FIFO', () => execFileSync('mkfifo', [at('dist/bin/fifo.json')])],
    ['there is too much JSON', () => truncate(at('dist/bin/manifest.json'), 4 * 1024 * 1024 + 1)],
    [
      'there are too many files',
      () => Promise.all(Array.from({ length: 1_000 }, (_, index) => writeFile(at(`dist/bin/${index}`), ''))),
    ],
  ])('hashOutputsBefore gives up if %s', async (_, prepare, outputs) => {
    await prepare();
    expect(hash(outputs)).toBeUndefined();
  });
});
