import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packPackage } from '@prebuilt/pack';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { execa } from 'execa';
import type { Bench, BenchContext } from '../bench.ts';
import { runAll } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';

const PROJECTS = ['libs/elf', 'libs/oci', 'libs/nx'];
const SCOPE = '@prebuilt';

// An outside user's workspace: a program, and a task that does nothing.
const FILES: Readonly<Record<string, unknown>> = {
  'nx.json': {
    analytics: false,
    neverConnectToCloud: true,
    cacheDirectory: '.nx/cache',
    plugins: [`${SCOPE}/nx`],
  },
  'apps/server/package.json': { name: 'server', private: true, type: 'module' },
  'apps/server/prebuilt.json': {},
  'apps/server/src/main.ts': `console.log(process.argv.includes('--help') ? 'help' : process.env.RELEASE_VERSION);\n`,
  'apps/nothing/package.json': { name: 'nothing', private: true },
  'apps/nothing/project.json': {
    name: 'nothing',
    targets: { nothing: { command: 'true', cache: true, inputs: ['{projectRoot}/package.json'] } },
  },
  '.gitignore': 'node_modules\ndist\n.nx\n.cache\n',
};

/** Packs the plugin as published, and installs it from these archives into a separate workspace. */
async function strangersWorkspace({ workspaceRoot, progress }: BenchContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'bench-stranger-'));
  const write = async (path: string, content: unknown): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
  };
  const configs = PROJECTS.map((project) => join(project, 'tsconfig.lib.json'));
  await execa('tsc', ['--build', ...configs], { cwd: workspaceRoot, preferLocal: true });
  const archives = new Map<string, string>();
  for (const project of PROJECTS) {
    const output = join(root, 'packed', project);
    const { name } = await packPackage({ root: workspaceRoot, project, scope: SCOPE, output }, process.env);
    const { stdout } = await execa('npm', ['pack', '--silent', '--pack-destination', root], { cwd: output });
    archives.set(name, `file:${join(root, stdout.trim())}`);
  }
  const nx = JSON.parse(await readFile(join(workspaceRoot, 'node_modules/nx/package.json'), 'utf8'));
  const { [`${SCOPE}/nx`]: plugin, ...others } = Object.fromEntries(archives);
  await write('package.json', {
    name: 'stranger',
    private: true,
    license: 'MIT',
    workspaces: ['apps/*'],
    devDependencies: { nx: nx.version, [`${SCOPE}/nx`]: plugin },
    overrides: others,
  });
  for (const [path, content] of Object.entries(FILES)) await write(path, content);
  // Everything in the lock is already in this workspace's cache.
  for (const path of ['prebuilt.lock.json', '.cache/prebuilt']) {
    await cp(join(workspaceRoot, path), join(root, path), { recursive: true, verbatimSymlinks: true });
  }
  progress('installing the packed plugin in a separate workspace');
  await execa('npm', ['install', '--no-audit', '--no-fund'], { cwd: root });
  await execa('git', ['init', '--quiet'], { cwd: root });
  await execa('git', ['add', '--all'], { cwd: root });
  await execa('git', [...GIT_AUTHOR, 'commit', '--quiet', '--message=A program'], { cwd: root });
  return root;
}

/** The whole chain from the cache, with the plugin installed as any user has it. */
export const installedChain: Bench = {
  name: 'installed-chain',
  title: "Cached chain in a stranger's workspace",
  ours: '`nx run server:docker-release` with the packed plugin installed: build, verification and image from the cache, with an engine and buildx',
  theirs: '`nx run` of a cached task of the same workspace that does nothing',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 1.3 },
  async prepare(context) {
    const root = await strangersWorkspace(context);
    // With the daemon and docker, as on a developer's machine; Nx turns the daemon off in CI and in containers.
    const environment = { ...(await context.engine()), NX_DAEMON: 'true' };
    const ours = nxCommand(root, ['run', 'server:docker-release'], environment);
    const theirs = nxCommand(root, ['run', 'nothing:nothing'], environment);
    // The first run of each does the work; later ones are served from the cache.
    await runAll([ours]);
    await runAll([theirs]);
    return {
      ours: { run: () => runAll([ours]) },
      theirs: { run: () => runAll([theirs]) },
      close: async () => {
        await runAll([nxCommand(root, ['daemon', '--stop'])]);
        await rm(root, { recursive: true, force: true });
      },
    };
  },
};
