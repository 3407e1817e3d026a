import { chmod, mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { artifactsOf, hashTask } from './hasher.ts';

const projectGraph: ProjectGraph = {
  dependencies: {},
  nodes: {
    release: {
      type: 'app',
      name: 'release',
      data: {
        root: 'tools/release',
        targets: {
          build: { outputs: ['{workspaceRoot}/dist/bin'] },
          verify: { dependsOn: ['build'], outputs: ['{workspaceRoot}/dist/verify', '{projectRoot}/log'] },
          image: { dependsOn: [{ target: 'verify' }, '^build'], outputs: ['{workspaceRoot}/dist/oci'] },
        },
      },
    },
  },
};

describe('artifactsOf', () => {
  it.each([
    ['build', []],
    ['verify', ['dist/bin']],
    ['image', ['dist/bin', 'dist/verify']],
    ['absent', []],
  ])('%s are what the targets before it write', (target, folders) => {
    expect(artifactsOf('release', target, projectGraph)).toEqual(folders);
  });
});

describe('hashTask', () => {
  let root: string;
  const plainTask: Task = {
    id: 'release:verify',
    target: { project: 'release', target: 'verify' },
    overrides: {},
    outputs: [],
    parallelism: true,
    cache: true,
  };
  const hashAfter = async (
    dependencies: readonly string[],
    root: string,
    change: Partial<Task> = {},
    value = 'nx',
  ) => {
    const task: Task = { ...plainTask, ...change };
    const taskGraph: TaskGraph = {
      roots: [],
      tasks: { [task.id]: task },
      dependencies: { [task.id]: [...dependencies] },
      continuousDependencies: {},
    };
    const hasher = {
      hashTask: async () => ({ value, details: { command: '', nodes: {} } }),
      hashTasks: async () => [],
    };
    return (await hashTask(task, { hasher, taskGraph, projectGraph }, root)).value;
  };
  const alone = () => hashAfter([], root);
  const executable = () => join(root, 'dist/bin/app');

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hasher-'));
    await mkdir(join(root, 'dist/bin'), { recursive: true });
    await writeFile(executable(), 'content', { mode: 0o755 });
  });
  afterEach(() => rm(root, { recursive: true }));

  it('follows Nx’s own', async () => {
    expect(await hashAfter(['release:build'], root)).toBe(await hashAfter(['release:build'], root));
    expect(await hashAfter(['release:build'], root, {}, 'other')).not.toBe(
      await hashAfter(['release:build'], root),
    );
  });

  it('does not look at artifacts in a run that holds the tasks before', async () => {
    const before = await hashAfter(['release:build'], root);
    await writeFile(executable(), 'changed');
    expect(await hashAfter(['release:build'], root)).toBe(before);
  });

  it.each([{ dryRun: true }, { 'dry-run': true }])(
    'never is that of another dry run (%o)',
    async (overrides) => {
      expect(await hashAfter(['release:build'], root, { overrides })).not.toBe(
        await hashAfter(['release:build'], root, { overrides }),
      );
    },
  );

  it('is the same for the same artifacts in another folder', async () => {
    const before = await alone();
    const other = await mkdtemp(join(tmpdir(), 'hasher-'));
    try {
      await mkdir(join(other, 'dist/bin'), { recursive: true });
      await writeFile(join(other, 'dist/bin/app'), 'content', { mode: 0o755 });
      expect(await hashAfter([], other)).toBe(before);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  it.each<[string, () => Promise<void>]>([
    ['one other byte', () => writeFile(executable(), 'Content')],
    ['another mode', () => chmod(executable(), 0o644)],
    ['another name', () => writeFile(join(root, 'dist/bin/other'), '')],
    ['an empty folder more', () => mkdir(join(root, 'dist/bin/folder'))],
    ['no artifacts at all', () => rm(join(root, 'dist'), { recursive: true })],
    [
      'a link instead of a file',
      async () => {
        await writeFile(join(root, 'content'), 'content');
        await unlink(executable());
        await symlink('../../content', executable());
      },
    ],
  ])('of a run alone changes with %s', async (_, change) => {
    const before = await alone();
    await change();
    expect(await alone()).not.toBe(before);
  });

  it('of a run alone does not change with another task’s outputs', async () => {
    const before = await alone();
    await mkdir(join(root, 'dist/oci'));
    expect(await alone()).toBe(before);
  });
});
