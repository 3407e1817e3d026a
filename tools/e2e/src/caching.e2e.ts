import { createHash } from 'node:crypto';
import { appendFile, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clone, linkedClone, OWN_ARCHITECTURE, releaseOwnPlatformAlone } from './testing/clone.ts';
import { nx, nxTasks, runOk, type TaskResults } from './testing/workspace.ts';

const BUILD = 'release:build-binaries';
const VERIFY = 'release:verify';
const IMAGE = 'release:docker-release';
const FAST = '--compression=zstd';
const ALL_HIT: TaskResults = { [BUILD]: 'hit', [VERIFY]: 'hit', [IMAGE]: 'hit' };
const ALL_MISSED: TaskResults = { [BUILD]: 'miss', [VERIFY]: 'miss', [IMAGE]: 'miss' };
const EXECUTABLE = `dist/bin/mount-monitor-linux-${OWN_ARCHITECTURE}`;
const COMMENT = '\n// changed\n';

describe('the cache of release:docker-release', { timeout: 600_000 }, () => {
  let clone: Clone;
  const chain = (env?: Readonly<Record<string, string>>) => nxTasks(clone.root, ['run', IMAGE, FAST], env);
  const git = (...args: readonly string[]) => runOk(clone.root, 'git', [...GIT_AUTHOR, ...args]);
  const at = (path: string) => join(clone.root, path);

  beforeAll(async () => {
    clone = await linkedClone();
    await releaseOwnPlatformAlone(clone);
    expect(await chain({ GITHUB_STEP_SUMMARY: at('../summary.md') })).toEqual(ALL_MISSED);
  }, 600_000);
  afterAll(() => clone?.[Symbol.asyncDispose]());

  it('a second run of release:docker-release hits the cache, and the job summary says so, even though no executor runs', async () => {
    const summary = async () => {
      const lines = (await readFile(at('../summary.md'), 'utf8')).split('\n');
      await rm(at('../summary.md'));
      const rows = lines.flatMap(
        (line) => /^\| (release:[^ ]+) \| ([^|]+) \|/.exec(line)?.slice(1, 3).join(' ') ?? [],
      );
      return [...rows, lines.find((line) => line.startsWith('Cache: '))];
    };
    expect(await summary()).toEqual([`${BUILD} ran`, `${IMAGE} ran`, `${VERIFY} ran`, 'Cache: 0 of 3']);
    expect(await chain({ GITHUB_STEP_SUMMARY: at('../summary.md') })).toEqual(ALL_HIT);
    expect(await summary()).toEqual([
      `${BUILD} local cache`,
      `${IMAGE} local cache`,
      `${VERIFY} local cache`,
      'Cache: 3 of 3',
    ]);
  });

  it('the cache restores a deleted dist exactly, file modes included', async () => {
    const before = await listFiles(at('dist'));
    expect(before.get(`bin/${basename(EXECUTABLE)}`)).toMatch(/^755 /);
    await rm(at('dist'), { recursive: true });
    expect(await chain()).toEqual(ALL_HIT);
    expect(await listFiles(at('dist'))).toEqual(before);
  });

  it.each([
    [
      'the behavior of the app',
      'apps/mount-monitor/src/main.ts',
      "\nprocess.title = 'changed';\n",
      [BUILD, VERIFY, IMAGE],
    ],
    // This gives identical executables, so later tasks have nothing to do.
    ['a comment in the app', 'apps/mount-monitor/src/main.ts', COMMENT, [BUILD]],
    // The plugin is part of this workspace, so any of its sources may change any of its results.
    ['a comment in the plugin', 'libs/nx/src/executors/verify/run.ts', COMMENT, [BUILD, VERIFY, IMAGE]],
    ['a comment in the image lib', 'libs/oci/src/index.ts', COMMENT, [BUILD, VERIFY, IMAGE]],
    ['a comment in the ELF lib', 'libs/elf/src/index.ts', COMMENT, [BUILD, VERIFY, IMAGE]],
    ['a comment in Dockerfile.release', 'Dockerfile.release', '\n# changed\n', [IMAGE]],
    ['the lock of external components', 'prebuilt.lock.json', '\n', [BUILD]],
    ['the lockfile', 'package-lock.json', '\n', [BUILD, VERIFY, IMAGE]],
  ])(
    'a change to %s rebuilds exactly those targets that depend on it',
    async (_, path, addition, expected) => {
      await appendFile(at(path), addition);
      try {
        expect(missesOf(await chain())).toEqual(expected);
      } finally {
        await git('checkout', '--quiet', '--', '.');
      }
    },
  );

  it('the cache still has what was built before any change', async () => {
    expect(await chain()).toEqual(ALL_HIT);
  });

  it('a change to tests, fixtures and pages still hits the cache', async () => {
    const changed = [
      ['apps/mount-monitor/src/config/duration.spec.ts', COMMENT],
      ['apps/mount-monitor/testing/machine.ts', COMMENT],
      ['apps/mount-monitor/e2e/hanging.e2e.ts', COMMENT],
      ['libs/nx/src/plugin.spec.ts', COMMENT],
      ['libs/nx/testing/release.ts', COMMENT],
      ['tools/e2e/src/layout.spec.ts', COMMENT],
      ['apps/mount-monitor/README.md', '\nchanged\n'],
      ['README.md', '\nchanged\n'],
      ['Dockerfile', '\n# changed\n'],
    ] as const;
    for (const [path, addition] of changed) await appendFile(at(path), addition);
    expect(await chain()).toEqual(ALL_HIT);
    await git('checkout', '--quiet', '--', '.');
  });

  it('changing an option in prebuilt.json rebuilds what it affects, and reverting it hits the cache', async () => {
    const path = at('tools/release/prebuilt.json');
    const before = await readFile(path, 'utf8');
    const { image, ...more } = JSON.parse(before);
    await writeFile(path, JSON.stringify({ ...more, image: { ...image, title: 'changed' } }));
    try {
      expect(missesOf(await chain())).toContain(IMAGE);
    } finally {
      await writeFile(path, before);
    }
    expect(await chain()).toEqual(ALL_HIT);
  });

  it('the cache never serves one version for another, from RELEASE_VERSION or from a tag', async () => {
    expect(missesOf(await chain({ RELEASE_VERSION: '1.2.3' }))).toEqual([BUILD, VERIFY, IMAGE]);
    expect(await versionIn(at('dist/bin'))).toBe('1.2.3');
    await git('tag', 'v3.0.0');
    try {
      expect(missesOf(await chain())).toEqual([BUILD, VERIFY, IMAGE]);
      expect(await versionIn(at('dist/bin'))).toBe('3.0.0');
    } finally {
      await git('tag', '--delete', 'v3.0.0');
    }
    expect(await chain()).toEqual(ALL_HIT);
    expect(await versionIn(at('dist/bin'))).toBe('0.0.0-dev');
  });

  it('a commit that changes no inputs still hits the cache', async () => {
    await git('commit', '--quiet', '--allow-empty', '--message=empty');
    expect(await chain()).toEqual(ALL_HIT);
  });

  describe('with --exclude-task-dependencies', () => {
    const alone = (env?: Readonly<Record<string, string>>) =>
      nxTasks(clone.root, ['run', IMAGE, FAST, '--exclude-task-dependencies'], env);

    it('with --exclude-task-dependencies, another dist/bin than the cached image’s misses the cache', async () => {
      await chain();
      const first = await readFile(at('dist/oci/index.json'), 'utf8');
      // Cached by the test of versions.
      await nxTasks(clone.root, ['run', VERIFY], { RELEASE_VERSION: '1.2.3' });
      expect(await alone()).toEqual({ [IMAGE]: 'miss' });
      expect(await readFile(at('dist/oci/index.json'), 'utf8')).not.toBe(first);
    });

    it('with --exclude-task-dependencies, a changed byte in an executable misses the cache and fails', async () => {
      await chain();
      const path = at(EXECUTABLE);
      const file = await open(path, 'r+');
      try {
        const { size } = await file.stat();
        await file.write(Buffer.from([0x5a]), 0, 1, size - 1_000_000);
      } finally {
        await file.close();
      }
      const { exitCode, output } = await nx(clone.root, ['run', IMAGE, FAST, '--exclude-task-dependencies']);
      expect(output).toMatch(new RegExp(`^error [A-Z_]+: .*${basename(EXECUTABLE)}`, 'm'));
      expect(exitCode).toBe(1);
    });
  });
});

function missesOf(results: TaskResults): readonly string[] {
  return [BUILD, VERIFY, IMAGE].filter((task) => results[task] === 'miss');
}

async function versionIn(folder: string): Promise<string> {
  return JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')).version;
}

/** The mode and SHA-256 of each file, by path. */
async function listFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    const mode = ((await stat(path)).mode & 0o7777).toString(8);
    files.set(path.slice(folder.length + 1), `${mode} ${digest}`);
  }
  return files;
}
