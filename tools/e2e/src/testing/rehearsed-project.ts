import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { canOverlay } from '@prebuilt/rehearsal';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { bootstrappedClone } from './clone.ts';
import { installedFolders } from './linked-packages.ts';
import { run, runOk } from './workspace.ts';

/** The repository for rehearsed workflows: a bare origin, and a clone that pushes commits and tags to it. */
export interface RehearsedProject extends AsyncDisposable {
  readonly folder: string;
  readonly origin: string;
  /** The clone in which commits are made. */
  readonly root: string;
  /** Commits all changes and pushes main. Returns the commit. */
  push(message: string): Promise<string>;
  /** Tags HEAD and pushes the tag. */
  tag(name: string): Promise<void>;
  /**
   * Prepares a checkout as `./bootstrap` would: with hard links to sysroots and to packages, unless these are overlays.
   */
  warm(workspace: string): Promise<void>;
  /** The packages for every checkout, if this machine allows overlays: 40,000 links fewer per job. */
  readonly overlays: Readonly<Record<string, string>>;
}

/** The spec that each project's tests are reduced to: a small one of its own, as it is. */
const SPECS: Readonly<Record<string, string>> = {
  'apps/mount-monitor': 'src/http/target.spec.ts',
  'libs/elf': 'src/limits.spec.ts',
  'libs/nx': 'src/version/previous.spec.ts',
  'libs/oci': 'src/registry/pages.spec.ts',
  'tools/bench': 'src/statistics.spec.ts',
  'tools/chart': 'src/chart.spec.ts',
  'tools/docs': 'src/address.spec.ts',
  // Clones the checkout, as most tests of the chain do.
  'tools/e2e': 'src/testing/clone.spec.ts',
  'tools/pack': 'src/scope.spec.ts',
  'tools/rehearsal': 'src/expressions.spec.ts',
  'tools/testing': 'src/free-port.spec.ts',
};

/**
 * A copy of this repository in which each project tests only one of its specs and type-checks only one file, so that
 * the test job takes seconds. The rehearsal shows that real tests pass in the job and hold a release back; all the
 * others run elsewhere.
 */
export async function rehearsedProject(): Promise<RehearsedProject> {
  const folder = await mkdtemp(join(tmpdir(), 'rehearsal-'));
  const clone = await bootstrappedClone();
  const dispose = async () => {
    await clone[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { root } = clone;
    const git = (...args: readonly string[]) => runOk(root, 'git', [...GIT_AUTHOR, ...args]);
    const origin = join(folder, 'origin.git');
    await runOk(folder, 'git', ['init', '--quiet', '--bare', '--initial-branch=main', origin]);
    await runOk(origin, 'git', ['config', 'uploadpack.allowAnySHA1InWant', 'true']);
    // The tree without its history, which every job would fetch.
    await git('checkout', '--quiet', '--orphan', 'rehearsed');
    await git('commit', '--quiet', '--message=feat: everything so far');
    await git('branch', '--force', '--move', 'main');
    for (const tag of (await git('tag', '--list')).split('\n').filter(Boolean))
      await git('tag', '--delete', tag);
    await git('remote', 'set-url', 'origin', origin);
    await git('config', 'core.hooksPath', '/dev/null');
    await shrinkTests(root);
    const packages = await installedFolders();
    const overlays: Record<string, string> = {};
    if (await canOverlay(folder)) overlays.node_modules = join(root, 'node_modules');
    const project: RehearsedProject = {
      overlays,
      folder,
      origin,
      root,
      push: async (message) => {
        await git('add', '--all');
        await git('commit', '--quiet', '--allow-empty', '-m', message);
        await git('push', '--quiet', 'origin', 'main');
        return (await git('rev-parse', 'HEAD')).trim();
      },
      tag: async (name) => {
        await git('tag', name);
        await git('push', '--quiet', 'origin', `refs/tags/${name}`);
      },
      warm: async (workspace) => {
        for (const path of [...packages, '.cache']) {
          if (path in overlays) continue;
          // A checkout without a program's sources lacks the folder around its packages.
          await mkdir(dirname(join(workspace, path)), { recursive: true });
          const copy = ['--archive', join(root, path), join(workspace, path)];
          const linked = await run(folder, 'cp', ['--link', ...copy]);
          if (linked.exitCode === 0) continue;
          await rm(join(workspace, path), { recursive: true, force: true });
          await runOk(folder, 'cp', copy);
        }
      },
      [Symbol.asyncDispose]: dispose,
    };
    await project.push('chore: the rehearsed copy');
    return project;
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function shrinkTests(root: string): Promise<void> {
  for (const group of ['apps', 'libs', 'tools']) {
    for (const name of await readdir(join(root, group))) {
      const folder = join(root, group, name);
      const { scripts }: { scripts?: { test?: string } } = JSON.parse(
        await readFile(join(folder, 'package.json'), 'utf8'),
      );
      // The release itself has no tests.
      if (scripts?.test === undefined) continue;
      const project = `${group}/${name}`;
      const spec = SPECS[project];
      if (spec === undefined) throw new Error(`${project}: expected a spec to rehearse, found none`);
      const script = `"test": "vitest run ${spec}"`;
      await replaceIn(join(folder, 'package.json'), /"test": "vitest run[^"]*"/, script);
      await shrinkTypeCheck(folder, project);
    }
  }
  // knip would report the real tests as unused, biome's linter reads every file, and type checks already run as a target
  // of their own.
  const manifest = join(root, 'package.json');
  const settings = JSON.parse(await readFile(manifest, 'utf8'));
  settings.scripts['check:types'] = 'true';
  settings.scripts['check:sources'] = 'biome format --error-on-warnings package.json';
  await writeFile(manifest, `${JSON.stringify(settings, null, 2)}\n`);
  // The reduced type checks do not reference the other projects.
  const nxJson = join(root, 'nx.json');
  const nx = JSON.parse(await readFile(nxJson, 'utf8'));
  nx.sync = { ...nx.sync, disabledTaskSyncGenerators: ['@nx/js:typescript-sync'] };
  await writeFile(nxJson, `${JSON.stringify(nx, null, 2)}\n`);
  await runOk(root, 'npx', ['biome', 'format', '--write', 'package.json']);
}

/** Libs have a separate configuration for compiling; in this copy, nothing uses their output. */
async function shrinkTypeCheck(folder: string, project: string): Promise<void> {
  const out = `../../out-tsc/rehearsed/${project}`;
  const file = 'src/rehearsed.ts';
  const settings = {
    extends: '../../tsconfig.base.json',
    compilerOptions: { rootDir: '.', outDir: out, tsBuildInfoFile: `${out}/tsconfig.tsbuildinfo` },
    include: [file],
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  await writeFile(join(folder, file), 'export {};\n');
}

/** Changes the first match in a file. Throws if there is none. */
export async function replaceIn(path: string, former: RegExp, text: string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const after = before.replace(former, text);
  if (after === before) throw new Error(`${path}: expected ${former}, found none`);
  await writeFile(path, after);
}
