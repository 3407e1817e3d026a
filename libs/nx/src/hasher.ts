import { createHash, randomUUID } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import type { HasherContext, ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import * as buildBinaries from './executors/build-binaries/facts.ts';
import { machineOptions, readKeyFacts, readMachineFacts } from './executors/docker-release/key-facts.ts';
import type { ProjectContext } from './executors/project-context.ts';
import * as verify from './executors/verify/facts.ts';
import { sha256OfFile } from './files/hash.ts';
import { PACKAGE } from './package.ts';

const require = createRequire(import.meta.url);

/** What Nx wants of a task's hash. */
export interface TaskHash {
  readonly value: string;
}

type Options = Readonly<Record<string, unknown>>;

/** How an executor's facts are read. */
interface KeyFacts {
  /**
   * Reads what its result depends on and no file of the workspace holds, as JSON. `machine` is what `readMachineFacts`
   * gives for the same options.
   */
  readonly readKeyFacts: (
    options: never,
    context: ProjectContext,
    machine: Promise<never>,
  ) => Promise<unknown>;
  /** Reads the part that no task can change and that takes other programs to find out. */
  readonly readMachineFacts?: (options: never) => Promise<unknown>;
  /** The options that the machine's part depends on. */
  readonly machineOptions?: readonly string[];
}

// Every run of Nx waits for these: what only some of them need, they load where they need it.
const FACTS: Readonly<Record<string, KeyFacts>> = {
  'build-binaries': buildBinaries,
  verify,
  'docker-release': { readKeyFacts, readMachineFacts, machineOptions },
};

/** How old, in milliseconds, the machine's part of a task's facts may be. */
const MAX_AGE_MS = 2_000;

/** What a run of Nx knows of its machine, by executor and options, and when it began to find out. */
const machines = new WeakMap<
  TaskGraph,
  Map<string, { readonly at: number; readonly facts: Promise<never> }>
>();

/**
 * The cache key of a task: Nx's own, this package's version, and the facts that are no files of the workspace, read by
 * the functions that the executor itself uses. Where a fact can't be read, the key is one of its own, so that the
 * executor runs and says why.
 *
 * In a run without the tasks before it (`--exclude-task-dependencies`, where the artifacts come from elsewhere) Nx's key
 * knows nothing of the artifacts: then their content is made part of it. A dry run gets a key of its own each time: Nx
 * would otherwise keep the outputs it found beside it, and put those back, in place of later ones, when the same dry run
 * is asked for again.
 *
 * @see https://nx.dev/reference/inputs#dependent-tasks-output-files
 */
export async function hashTask(
  task: Task,
  context: Pick<HasherContext, 'hasher' | 'taskGraph' | 'projectGraph'> &
    Partial<HasherContext> & { readonly env?: NodeJS.ProcessEnv },
  workspaceRoot?: string,
): Promise<TaskHash> {
  const environment = context.env ?? process.env;
  const hash: Promise<TaskHash> = context.hasher.hashTask(task, context.taskGraph, environment);
  if (isDryRun(task)) return { ...(await hash), value: sha256Of(`${(await hash).value}\n${randomUUID()}`) };
  const root = workspaceRoot ?? rootOfWorkspace();
  readAhead(context);
  const [own, facts, artifacts] = await Promise.all([
    hash,
    readFacts(task, context, root),
    hashArtifacts(task, context, root),
  ]);
  return { ...own, value: sha256Of([own.value, PACKAGE.version, facts, ...artifacts].join('\n')) };
}

// Nx has loaded this already; @nx/devkit would take a third of the time of a run from the cache.
function rootOfWorkspace(): string {
  return require('nx/src/utils/workspace-root.js').workspaceRoot;
}

function isDryRun({ overrides }: Task): boolean {
  return overrides?.dryRun === true || overrides?.['dry-run'] === true;
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Begins to read the machine's part of every task's facts when the first of them is hashed: Nx hashes a task when those
 * before it have ended, and docker takes as long to answer as all the rest of a run from the cache.
 */
function readAhead({ taskGraph, projectGraph }: Pick<HasherContext, 'taskGraph' | 'projectGraph'>): void {
  if (machines.has(taskGraph)) return;
  machines.set(taskGraph, new Map());
  for (const task of Object.values(taskGraph.tasks)) {
    const { executor, options } = configurationOf(task, projectGraph);
    const facts = FACTS[executor];
    if (facts !== undefined) readMachine(taskGraph, executor, facts, options);
  }
}

/** What all tasks of a run share, and what is read again once it is too old. */
function readMachine(
  taskGraph: TaskGraph,
  executor: string,
  { readMachineFacts, machineOptions = [] }: KeyFacts,
  options: Options,
): Promise<never> {
  const known = machines.get(taskGraph) ?? new Map();
  machines.set(taskGraph, known);
  const key = JSON.stringify([executor, ...machineOptions.map((name) => options[name])]);
  const found = known.get(key);
  const now = performance.now();
  if (found !== undefined && now - found.at <= MAX_AGE_MS) return found.facts;
  const facts = Promise.resolve(readMachineFacts?.(options as never)) as Promise<never>;
  // Whoever waits for them hears of a failure, and perhaps nobody does yet.
  facts.catch(() => {});
  known.set(key, { at: now, facts });
  return facts;
}

function configurationOf({ target, overrides }: Task, { nodes }: ProjectGraph) {
  const configured = nodes[target.project]?.data.targets?.[target.target];
  const options: Options = {
    ...configured?.options,
    ...configured?.configurations?.[target.configuration ?? ''],
    ...camelCased(overrides),
  };
  return { executor: configured?.executor?.split(':').at(-1) ?? '', options };
}

async function readFacts(
  task: Task,
  {
    taskGraph,
    projectGraph,
    nxJsonConfiguration,
  }: Pick<HasherContext, 'taskGraph' | 'projectGraph'> & Partial<HasherContext>,
  root: string,
): Promise<string> {
  const { executor, options } = configurationOf(task, projectGraph);
  const facts = FACTS[executor];
  if (facts === undefined) return '';
  const { target } = task;
  const context: ProjectContext = {
    root,
    projectName: target.project,
    projectGraph,
    ...(nxJsonConfiguration !== undefined && { nxJsonConfiguration }),
    projectsConfigurations: {
      version: 2,
      projects: Object.fromEntries(
        Object.entries(projectGraph.nodes).map(([name, { data }]) => [name, data]),
      ),
    },
  };
  try {
    const machine = readMachine(taskGraph, executor, facts, options);
    return JSON.stringify(await facts.readKeyFacts(options as never, context, machine));
  } catch {
    return randomUUID();
  }
}

// Nx hands over what stands on the command line as it was written: `--builder-name` or `--builderName`.
function camelCased(overrides: Options): Options {
  return Object.fromEntries(
    Object.entries(overrides ?? {}).map(([name, value]) => [
      name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}

async function hashArtifacts(
  task: Task,
  { taskGraph, projectGraph }: Pick<HasherContext, 'taskGraph' | 'projectGraph'>,
  root: string,
): Promise<readonly string[]> {
  if ((taskGraph.dependencies[task.id] ?? []).length > 0) return [];
  const folders = artifactsOf(task.target.project, task.target.target, projectGraph);
  if (folders.length === 0) return [];
  const digest = createHash('sha256');
  for (const path of folders) {
    digest.update(`${path}\n`);
    await addFolder(digest, join(root, path), root);
  }
  return [digest.digest('hex')];
}

/**
 * The folders, relative to the workspace's root, that the targets before this one write, sorted. Follows `dependsOn`
 * of the same project; outputs elsewhere than below `{workspaceRoot}` are not artifacts.
 */
export function artifactsOf(project: string, target: string, graph: ProjectGraph): readonly string[] {
  const targets = graph.nodes[project]?.data.targets ?? {};
  const outputs = new Set<string>();
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const before of targets[name]?.dependsOn ?? []) {
      const beforeName = typeof before === 'string' ? before : before.target;
      for (const output of targets[beforeName]?.outputs ?? []) {
        if (output.startsWith('{workspaceRoot}/')) outputs.add(output.slice('{workspaceRoot}/'.length));
      }
      visit(beforeName);
    }
  };
  visit(target);
  return [...outputs].sort();
}

// Paths, kinds, whether executable, and contents: what a restored or downloaded artifact is made of.
async function addFolder(digest: ReturnType<typeof createHash>, path: string, root: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const name = JSON.stringify(relative(root, path));
  if (found === undefined) {
    digest.update(`absent ${name}\n`);
  } else if (found.isDirectory()) {
    digest.update(`folder ${name}\n`);
    for (const entry of (await readdir(path)).sort()) await addFolder(digest, join(path, entry), root);
  } else if (found.isSymbolicLink()) {
    digest.update(`link ${name} ${JSON.stringify(await readlink(path))}\n`);
  } else {
    digest.update(`file ${name} ${(found.mode & 0o111) !== 0} ${await sha256OfFile(path)}\n`);
  }
}
