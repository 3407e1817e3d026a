import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import {
  type Ended,
  PLUGINS_IN_ONE_PROCESS,
  readTaskResults,
  run,
  runOk,
  type TaskResults,
  userEnvironment,
} from '../testing/workspace.ts';
import { MANAGERS } from './managers.ts';
import type { PackageRegistry } from './package-registry.ts';
import { type Manager, type NodeMajor, npmSettings, type Tools } from './tools.ts';

/** An outside user's tools. */
export interface Stranger {
  readonly manager: Manager;
  readonly node: NodeMajor;
  /** The version of Nx. */
  readonly nx: string;
}

type Environment = Readonly<Record<string, string>>;

/** Commands in an outside user's workspace. */
export interface WorkspaceCommands {
  readonly root: string;
  write(path: string, content: string): Promise<void>;
  /** Runs a program in the workspace's root. Returns its output; throws if it fails. */
  run(file: string, args: readonly string[], env?: Environment): Promise<string>;
  /** Runs a shell line from the documentation, with `npx` replaced by the package manager's equivalent. */
  line(line: string): Promise<string>;
  /** Runs the workspace's `nx …`. Starting it through the package manager, as `line` does, takes half as long again. */
  nx(args: readonly string[], env?: Environment): Promise<Ended>;
  /** Like `nx`, but returns the output, and throws if it fails. */
  nxOk(args: readonly string[], env?: Environment): Promise<string>;
  /** Like `nxOk`, but returns the outcome of each task. */
  nxTasks(args: readonly string[], env?: Environment): Promise<TaskResults>;
}

/** An Nx workspace in a separate folder that knows nothing about this repository. */
export type StrangersWorkspace = WorkspaceCommands & AsyncDisposable;

/** Commands for an existing workspace, with a fixed package manager and Node. */
export function commandsIn(
  root: string,
  { manager, node }: Omit<Stranger, 'nx'>,
  tools: Tools,
): WorkspaceCommands {
  const { exec } = MANAGERS[manager];
  const { CI: _, ...own } = userEnvironment();
  const base: Environment = { ...own, PATH: [tools.path(node, manager), own.PATH].join(delimiter) };
  const call = (args: readonly string[], env: Environment = {}) =>
    // A process for each plugin is Nx's default, which `line` keeps.
    [root, join(root, 'node_modules/.bin/nx'), args, { ...base, ...PLUGINS_IN_ONE_PROCESS, ...env }] as const;
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

/** Makes a workspace, and installs Nx in it with the package manager. */
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
    // Processes that Nx started may still be writing.
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 10 }),
  };
}

/**
 * Installs what package.json lists in a workspace of npm, at a tenth of npm's cost. Bun writes no lock, so Nx still finds
 * a workspace of npm. It needs Bun's settings files as well.
 */
export async function installWithBun({ run }: WorkspaceCommands, tools: Tools): Promise<void> {
  const bun = join(tools.path(24, 'bun'), 'bun');
  await run(bun, [...MANAGERS.bun.install, '--no-save', '--linker=hoisted']);
}
