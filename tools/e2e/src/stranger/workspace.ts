import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import {
  type Ended,
  readTaskResults,
  run,
  runOk,
  type TaskResults,
  userEnvironment,
} from '../testing/workspace.ts';
import { MANAGERS } from './managers.ts';
import type { PackageRegistry } from './package-registry.ts';
import { type Manager, type NodeMajor, npmSettings, type Tools } from './tools.ts';

/** What a stranger works with. */
export interface Stranger {
  readonly manager: Manager;
  readonly node: NodeMajor;
  /** The version of Nx. */
  readonly nx: string;
}

type Environment = Readonly<Record<string, string>>;

/** An Nx workspace in a folder of its own that knows nothing of this repository. */
export interface StrangersWorkspace extends AsyncDisposable {
  readonly root: string;
  write(path: string, content: string): Promise<void>;
  /** A program of the machine, in the workspace's root. A failure is an error; returns the output. */
  run(file: string, args: readonly string[]): Promise<string>;
  /** A line of a shell as documentation has it, `npx` put as the workspace's package manager says it. */
  line(line: string): Promise<string>;
  /** `nx …` by the workspace's package manager. */
  nx(args: readonly string[], env?: Environment): Promise<Ended>;
  /** As `nx`, but a failure is an error. Returns the output. */
  nxOk(args: readonly string[], env?: Environment): Promise<string>;
  /** As `nxOk`; tells what became of each task. */
  nxTasks(args: readonly string[], env?: Environment): Promise<TaskResults>;
}

/** Makes a workspace with Nx in it, as `PACKAGE_MANAGER install` does, and one commit. */
export async function strangersWorkspace(
  { manager, node, nx }: Stranger,
  registry: PackageRegistry,
  tools: Tools,
): Promise<StrangersWorkspace> {
  const root = await mkdtemp(join(tmpdir(), `stranger-${manager}-`));
  const { files, install, exec } = MANAGERS[manager];
  const { CI: _, ...own } = userEnvironment();
  const base = {
    ...own,
    PATH: [tools.path(node, manager), own.PATH].join(delimiter),
  };
  const write = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  const json = (path: string, value: unknown) => write(path, `${JSON.stringify(value, undefined, 2)}\n`);
  await json('package.json', {
    name: 'stranger',
    private: true,
    license: 'MIT',
    ...(manager !== 'pnpm' && { workspaces: ['apps/*'] }),
    devDependencies: { nx },
  });
  await json('nx.json', {
    analytics: false,
    release: { releaseTag: { pattern: '{projectName}@{version}' } },
    neverConnectToCloud: true,
    cacheDirectory: '.nx/cache',
  });
  await write('.gitignore', 'node_modules\ndist\n.nx\n.cache\n');
  const settings = { ...(await npmSettings(root)), published: registry.url };
  for (const [path, content] of Object.entries(files(settings))) await write(path, content);
  await runOk(root, 'git', ['init', '--quiet', '--initial-branch=main'], base);
  await runOk(root, manager, install, base);
  const call = (args: readonly string[], env: Environment = {}) =>
    [root, exec[0], [...exec.slice(1), 'nx', ...args], { ...base, ...env }] as const;
  const nxOk: StrangersWorkspace['nxOk'] = (args, env) => runOk(...call(args, env));
  return {
    root,
    write,
    run: (file, args) => runOk(root, file, args, base),
    line: (line) => runOk(root, 'sh', ['-c', line.replace(/^npx /, `${exec.join(' ')} `)], base),
    nx: (args, env) => run(...call(args, env)),
    nxOk,
    async nxTasks(args, env) {
      await nxOk(args, env);
      return readTaskResults(join(root, '.nx/cache'));
    },
    // What Nx started may still write.
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 10 }),
  };
}
