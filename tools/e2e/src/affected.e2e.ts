import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clone, linkedClone } from './testing/clone.ts';
import { nxCommand, runOk } from './testing/workspace.ts';

const TARGETS = ['lint', 'typecheck', 'test', 'build-binaries'];
const EVERYTHING = [
  'app',
  'bench',
  'chart',
  'docs',
  'e2e',
  'elf',
  'nx-prebuilt',
  'oci',
  'pack',
  'rehearsal',
  'release',
  'testing',
];

describe('nx affected', { timeout: 120_000 }, () => {
  let clone: Clone;
  const git = (...args: readonly string[]) => runOk(clone.root, 'git', [...GIT_AUTHOR, ...args]);

  beforeAll(async () => {
    clone = await linkedClone();
  }, 300_000);
  afterAll(() => clone?.[Symbol.asyncDispose]());

  /** The tasks that `nx affected` would run for the commit HEAD. */
  async function affectedTasks(): Promise<readonly string[]> {
    const range = ['--base=HEAD~1', '--head=HEAD'];
    const { file, env } = nxCommand(clone.root);
    const args = ['affected', `--targets=${TARGETS.join(',')}`, ...range, '--graph=stdout'];
    const { stdout } = await execa(file, args, { cwd: clone.root, env, extendEnv: false });
    const { tasks }: { tasks: { tasks: Readonly<Record<string, unknown>> } } = JSON.parse(stdout);
    return Object.keys(tasks.tasks).sort();
  }

  it.each([
    ['the editor settings', '.editorconfig', '\n# changed\n', []],
    ['the README', 'README.md', '\nchanged\n', ['docs']],
    ['the documentation', 'docs/architecture.md', '\nchanged\n', ['docs']],
    [
      'a lib that the pipeline uses',
      'libs/elf/src/index.ts',
      '\n// changed\n',
      ['elf', 'bench', 'chart', 'docs', 'e2e', 'nx-prebuilt', 'release'],
    ],
    ['the app', 'apps/mount-monitor/src/main.ts', '\n// changed\n', ['app', 'docs', 'e2e', 'release']],
    [
      'the plugin',
      'libs/nx/src/plugin.ts',
      '\n// changed\n',
      ['bench', 'chart', 'docs', 'e2e', 'nx-prebuilt', 'release'],
    ],
    ['the pipeline', 'tools/release/prebuilt.json', '\n', ['docs', 'e2e', 'release']],
    ['a workflow', '.github/workflows/ci.yml', '\n# changed\n', ['e2e']],
    ['the CI script', '.ci/run', '\n# changed\n', ['e2e']],
    ['the bootstrap script', 'bootstrap', '\n# changed\n', ['e2e']],
    ['the lock of external components', 'prebuilt.lock.json', '\n', ['e2e', 'release']],
    ['the lockfile', 'package-lock.json', '\n', EVERYTHING],
    ['the compiler options', 'tsconfig.base.json', '\n', EVERYTHING],
    ['the Nx settings', 'nx.json', '\n', EVERYTHING],
  ])('nx affected runs only what a change to %s affects', async (_, path, addition, projects) => {
    await appendFile(join(clone.root, path), addition);
    await git('commit', '--quiet', '--message=change', '--', path);
    const tasks = await affectedTasks();
    await git('reset', '--quiet', '--hard', 'HEAD~1');
    // The release itself has no sources, so only its build runs.
    const of = (target: string) =>
      projects.filter((project) => project !== 'release').map((project) => `${project}:${target}`);
    // A typecheck reads the declarations of its project's dependencies, so their tasks run before it.
    expect(tasks).toEqual(expect.arrayContaining(of('typecheck')));
    expect(tasks.filter((task) => !/:(typecheck|build)$/.test(task))).toEqual(
      [
        ...of('lint'),
        ...of('test'),
        ...(projects.includes('release') ? ['release:build-binaries'] : []),
      ].sort(),
    );
    if (projects.length === 0) expect(tasks).toEqual([]);
  });
});
