import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FinishedTask, summarizeTasks } from './task-summary.ts';

const task = (id: string, more: Partial<FinishedTask> = {}): FinishedTask => ({
  id,
  status: 'success',
  cache: true,
  startTime: 1_000,
  endTime: 3_500,
  ...more,
});

describe('summarizeTasks', () => {
  it('a summary lists tasks by id with result and time, and counts cache hits among the cacheable ones', () => {
    const summary = summarizeTasks([
      task('app:verify', { status: 'remote-cache', endTime: 1_040 }),
      task('app:build'),
      task('app:publish', { cache: false }),
      task('app:image', { status: 'local-cache' }),
    ]);
    expect(summary).toBe(
      [
        '### Tasks',
        '',
        '| task | result | time |',
        '| - | - | -: |',
        '| app:build | ran | 2.5 s |',
        '| app:image | local cache | 2.5 s |',
        '| app:publish | ran | 2.5 s |',
        '| app:verify | remote cache | 0.0 s |',
        '',
        'Cache: 2 of 3',
      ].join('\n'),
    );
  });

  it.each<[FinishedTask['status'], string, number]>([
    ['success', 'ran', 0],
    ['failure', 'failed', 0],
    ['skipped', 'skipped', 0],
    ['stopped', 'stopped', 0],
    ['local-cache', 'local cache', 1],
    ['local-cache-kept-existing', 'local cache', 1],
    ['remote-cache', 'remote cache', 1],
  ])('a summary shows the status %s as %j', (status, result, hits) => {
    const lines = summarizeTasks([task('app:build', { status })])?.split('\n') ?? [];
    expect(lines[4]).toBe(`| app:build | ${result} | 2.5 s |`);
    expect(lines.at(-1)).toBe(`Cache: ${hits} of 1`);
  });

  it('a summary says if no task is cacheable', () => {
    expect(
      summarizeTasks([task('app:publish', { cache: false })])
        ?.split('\n')
        .at(-1),
    ).toBe('Cache: no cacheable tasks');
  });

  it('a summary leaves out an unknown time', () => {
    const summary = summarizeTasks([task('app:build', { status: 'skipped', endTime: undefined })]);
    expect(summary).toContain('| app:build | skipped | |');
  });

  it('a task’s name can’t start another column of a summary', () => {
    expect(summarizeTasks([task('app:a|b')])).toContain('| app:a\\|b | ran |');
  });

  it('a run without tasks has no summary', () => {
    expect(summarizeTasks([])).toBeUndefined();
  });
});

describe('the plugin', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'task-summary-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  // Loads the plugin as Nx does, with the environment of that moment.
  const loadHook = async () => {
    vi.resetModules();
    return (await import('../plugin.ts')).postTasksExecution;
  };
  const finish = async () =>
    (await loadHook())?.(undefined, {
      id: 'run',
      workspaceRoot: folder,
      nxJsonConfiguration: {},
      argv: [],
      startTime: 0,
      endTime: 0,
      taskResults: {
        'app:build': {
          task: {
            id: 'app:build',
            target: { project: 'app', target: 'build' },
            overrides: {},
            outputs: [],
            cache: true,
            parallelism: true,
          },
          status: 'local-cache',
          code: 0,
        },
      },
    });

  it('the plugin writes the tasks of a run to the job summary', async () => {
    vi.stubEnv('GITHUB_STEP_SUMMARY', join(folder, 'summary'));
    await finish();
    expect(await readFile(join(folder, 'summary'), 'utf8')).toMatch(
      /\| app:build \| local cache \| .*\nCache: 1 of 1\n\n$/s,
    );
  });

  it.each([undefined, ''])('the plugin needs no call after a run outside a job (%o)', async (summary) => {
    vi.stubEnv('GITHUB_STEP_SUMMARY', summary);
    expect(await loadHook()).toBeUndefined();
  });
});
