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

/** What is done in a workspace of somebody else. */
export interface WorkspaceCommands {
  readonly root: string;
  write(path: string, content: string): Promise<void>;
  /** A program of the machine, in the workspace's root. A failure is an error; returns the output. */
  run(file: string, args: readonly string[], env?: Environment): Promise<string>;
  /** A line of a shell as documentation has it, `npx` put as the workspace's package manager says it. */
  line(line: string): Promise<string>;
  /** `nx …` by the workspace's package manager. */
  nx(args: readonly string[], env?: Environment): Promise<Ended>;
  /** As `nx`, but a failure is an error. Returns the output. */
  nxOk(args: readonly string[], env?: Environment): Promise<string>;
  /** As `nxOk`; tells what became of each task. */
  nxTasks(args: readonly string[], env?: Environment): Promise<TaskResults>;
}

/** An Nx workspace in a folder of its own that knows nothing of this repository. */
export type StrangersWorkspace = WorkspaceCommands & AsyncDisposable;

/** The commands of a workspace that is there, with a package manager and a Node for all of them. */
export function commandsIn(
  root: string,
  { manager, node }: Omit<Stranger, 'nx'>,
  tools: Tools,
): WorkspaceCommands {
  const { exec } = MANAGERS[manager];
  const { CI: _, ...own } = userEnvironment();
  const base: Environment = { ...own, PATH: [tools.path(node, manager), own.PATH].join(delimiter) };
  const call = (args: readonly string[], env: Environment = {}) =>
    [root, exec[0], [...exec.slice(1), 'nx', ...args], { ...base, ...env }] as const;
  const nxOk: WorkspaceCommands['nxOk'] = (args, env) => runOk(...call(args, env));
  return {
    root,
    async write(path, content) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    },
    run: (file, args, env) => runOk(root, file, args, { ...base, ...env }),
    line: (line) => runOk(root, 'sh', ['-c', line.replace(/^npx /, `${exec.join(' ')} `)], base),
    nx: (args, env) => run(...call(args, env)),
    nxOk,
    async nxTasks(args, env) {
      await nxOk(args, env);
      return readTaskResults(join(root, '.nx/cache'));
    },
  };
}

/** Makes a workspace with Nx in it, as `PACKAGE_MANAGER install` does, and one commit. */
export async function strangersWorkspace(
  stranger: Stranger,
  registry: PackageRegistry,
  tools: Tools,
): Promise<StrangersWorkspace> {
  const { manager, nx } = stranger;
  const root = await mkdtemp(join(tmpdir(), `stranger-${manager}-`));
  const { files, install } = MANAGERS[manager];
  const commands = commandsIn(root, stranger, tools);
  const { write } = commands;
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
  await commands.run('git', ['init', '--quiet', '--initial-branch=main']);
  await commands.run(manager, install);
  return {
    ...commands,
    // What Nx started may still write.
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 10 }),
  };
}
