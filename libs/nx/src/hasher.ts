import { createHash, randomUUID } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, posix, relative, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { HasherContext, ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import * as buildBinaries from './executors/build-binaries/facts.ts';
import { machineOptions, readKeyFacts, readMachineFacts } from './executors/docker-release/key-facts.ts';
import type { KeyFacts } from './executors/key-facts.ts';
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
interface FactReader {
  readonly readKeyFacts: (options: never, context: ProjectContext) => Promise<KeyFacts>;
  /** Reads the part that no task can change and that takes other programs to find out. */
  readonly readMachineFacts?: (options: never) => Promise<unknown>;
  /** The options that the machine's part depends on. */
  readonly machineOptions?: readonly string[];
}

// Every run of Nx waits for these: what only some of them need, they load where they need it.
const FACTS: Readonly<Record<string, FactReader>> = {
  'build-binaries': buildBinaries,
  verify,
  'docker-release': { readKeyFacts, readMachineFacts, machineOptions },
};

/**
 * How old, in milliseconds, the machine's part of a task's facts may be. A hit is then right: docker said this in this very
 * run of Nx. Of a miss the executor asks again, so that a result made after docker changed, between the two, is kept under
 * the former facts: as with every input that changes while Nx runs, and this makes the time for it no more than so much
 * longer.
 */
const MAX_AGE_MS = 2_000;

/** What a run of Nx knows of its machine, by executor and options, and when it began to find out. */
const machines = new WeakMap<
  TaskGraph,
  Map<string, { readonly at: number; readonly facts: Promise<string> }>
>();

/**
 * The cache key of a task: Nx's own, this package's version, and the facts that are not files of the workspace, read by
 * the functions that the executor itself uses. Where a fact can't be read, the key is one of its own, so that the
 * executor runs and says why.
 *
 * In a run without the tasks before it (`--exclude-task-dependencies`, where the artifacts come from elsewhere) Nx's key
 * knows nothing of the artifacts: then their content is made part of it, as is that of a folder that an option names and no
 * task of the run writes. A dry run gets a key of its own each time: Nx
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
  if (isDryRun(task)) {
    const own: TaskHash = await context.hasher.hashTask(task, context.taskGraph, environment);
    return { ...own, value: sha256Of(`${own.value}\n${randomUUID()}`) };
  }
  const root = workspaceRoot ?? rootOfWorkspace();
  const [{ files, rest }, ...artifacts] = await Promise.all([
    readFacts(task, context, root),
    hashArtifacts(task, context, root),
  ]);
  // Asked once the files are read: Nx's daemon answers 10 ms after, or 50 where somebody opens a file meanwhile.
  const hash: Promise<TaskHash> = context.hasher.hashTask(task, context.taskGraph, environment);
  const outside = async () => {
    // Starting a process holds this one up, so the question is sent before.
    await setImmediate();
    return Promise.all([asText(rest()), readMachine(task, context)]);
  };
  const [own, facts] = await Promise.all([hash, outside()]);
  const parts = [own.value, PACKAGE.version, files, ...facts, ...artifacts.flat()];
  return { ...own, value: sha256Of(parts.join('\n')) };
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
 * The machine's part of a task's facts, which all tasks of a run share, read again once it is too old. Begins to read that
 * of every task when the first of them is hashed: Nx hashes a task when those before it have ended, and docker takes as
 * long to answer as all the rest of a run from the cache.
 */
function readMachine(
  task: Task,
  { taskGraph, projectGraph }: Pick<HasherContext, 'taskGraph' | 'projectGraph'>,
): Promise<string> {
  const known = machines.get(taskGraph) ?? new Map();
  const read = (each: Task): Promise<string> => {
    const { executor, options } = configurationOf(each, projectGraph);
    const { readMachineFacts, machineOptions = [] } = FACTS[executor] ?? {};
    if (readMachineFacts === undefined) return Promise.resolve('');
    const key = JSON.stringify([executor, ...machineOptions.map((name) => options[name])]);
    const found = known.get(key);
    const now = performance.now();
    if (found !== undefined && now - found.at <= MAX_AGE_MS) return found.facts;
    const facts = asText(readMachineFacts(options as never));
    known.set(key, { at: now, facts });
    return facts;
  };
  if (!machines.has(taskGraph)) {
    machines.set(taskGraph, known);
    Object.values(taskGraph.tasks).forEach(read);
  }
  return read(task);
}

// What can't be read gives a text of its own, and so does the key.
function asText(facts: Promise<unknown>): Promise<string> {
  return facts.then(
    (read) => JSON.stringify(read) ?? '',
    () => randomUUID(),
  );
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
  { projectGraph, nxJsonConfiguration }: Pick<HasherContext, 'projectGraph'> & Partial<HasherContext>,
  root: string,
): Promise<{ readonly files: string; rest(): Promise<unknown> }> {
  const { executor, options } = configurationOf(task, projectGraph);
  const reader = FACTS[executor];
  if (reader === undefined) return { files: '', rest: async () => undefined };
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
    const { files, rest } = await reader.readKeyFacts(options as never, context);
    return { files: JSON.stringify(files) ?? '', rest };
  } catch {
    return { files: randomUUID(), rest: async () => undefined };
  }
}

// Nx hands over what is on the command line as it was written: `--builder-name` or `--builderName`.
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
  const alone = (taskGraph.dependencies[task.id] ?? []).length === 0;
  const before = artifactsOf(task.target.project, task.target.target, projectGraph);
  const known = [...outputsBefore(task.id, taskGraph), ...(alone ? [] : before)];
  const named = foldersNamed(task, projectGraph).filter((path) => !known.some((each) => isIn(path, each)));
  const folders = [...new Set([...(alone ? before : []), ...named])].sort();
  if (folders.length === 0) return [];
  const digest = createHash('sha256');
  for (const path of folders) {
    digest.update(`${path}\n`);
    await addFolder(digest, resolve(root, path), root);
  }
  return [digest.digest('hex')];
}

/** The folders that an executor reads, by its option, and where it looks without one. */
const READ: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  verify: { inputPath: 'dist/bin' },
  'docker-release': { inputPath: 'dist/bin', verifyPath: 'dist/verify' },
  sbom: { inputPath: 'dist/bin' },
};

// Of artifacts that no task of the run writes, such as a folder named on the command line, Nx's key holds the name alone.
function foldersNamed(task: Task, projectGraph: ProjectGraph): readonly string[] {
  const { executor, options } = configurationOf(task, projectGraph);
  return Object.entries(READ[executor] ?? {}).map(([name, byDefault]) =>
    posix.normalize(String(options[name] ?? byDefault)),
  );
}

function isIn(path: string, folder: string): boolean {
  return `${path}/`.startsWith(`${posix.normalize(folder)}/`);
}

/** What the tasks before one write in this run. */
function outputsBefore(id: string, { tasks, dependencies }: TaskGraph, seen = new Set<string>()): string[] {
  return (dependencies[id] ?? []).flatMap((each) => {
    if (seen.has(each)) return [];
    seen.add(each);
    return [
      ...(tasks[each]?.outputs ?? []),
      ...outputsBefore(each, { tasks, dependencies } as TaskGraph, seen),
    ];
  });
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
