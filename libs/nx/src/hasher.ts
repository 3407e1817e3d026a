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

/** A task's hash, as Nx expects it. */
export interface TaskHash {
  readonly value: string;
}

type Options = Readonly<Record<string, unknown>>;

/** Reads an executor's facts. */
interface FactReader {
  readonly readKeyFacts: (options: never, context: ProjectContext) => Promise<KeyFacts>;
  /** Reads the facts about the machine: no task can change them, and reading them takes other programs. */
  readonly readMachineFacts?: (options: never) => Promise<unknown>;
  /** The options that the machine facts depend on. */
  readonly machineOptions?: readonly string[];
}

// Every Nx run waits for these modules to load, so they load optional dependencies only when needed.
const FACTS: Readonly<Record<string, FactReader>> = {
  'build-binaries': buildBinaries,
  verify,
  'docker-release': { readKeyFacts, readMachineFacts, machineOptions },
};

/**
 * The maximum age of a task's machine facts, in milliseconds. A cache hit is right, since docker reported these facts
 * in this very Nx run. On a miss, the executor asks again. If docker changes in between, the result is stored under the
 * old facts. That can happen with any input that changes while Nx runs; this only lengthens the window by as much.
 */
const MAX_AGE_MS = 2_000;

/** The machine facts of an Nx run, by executor and options, and when reading them started. */
const machines = new WeakMap<
  TaskGraph,
  Map<string, { readonly at: number; readonly facts: Promise<string> }>
>();

/**
 * A task's cache key: Nx's own hash, this package's version, and the facts that aren't workspace files, read by the
 * same functions that the executor uses. If a fact can't be read, the key is unique, so that the executor runs and
 * reports the reason.
 *
 * In a run without the preceding tasks (`--exclude-task-dependencies`, with artifacts from elsewhere), Nx's hash
 * doesn't cover the artifacts, so their content is added. The same goes for a folder that is set by an option and not
 * written by any task in the run. Every dry run gets a unique key: otherwise, Nx would cache the outputs it found, and
 * restore them over later ones when the same dry run is repeated.
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
  // Ask only after reading the files: Nx's daemon answers within 10 ms, or 50 if files are opened meanwhile.
  const hash: Promise<TaskHash> = context.hasher.hashTask(task, context.taskGraph, environment);
  const outside = async () => {
    // Starting a process blocks this one, so let the request to Nx go out first.
    await setImmediate();
    return Promise.all([asText(rest()), readMachine(task, context)]);
  };
  const [own, facts] = await Promise.all([hash, outside()]);
  const parts = [own.value, PACKAGE.version, files, ...facts, ...artifacts.flat()];
  return { ...own, value: sha256Of(parts.join('\n')) };
}

// Nx has already loaded this module; loading @nx/devkit would take a third of the time of a fully cached run.
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
 * A task's machine facts, shared by all tasks in a run and read again once they are too old. Starts reading those of
 * all tasks when the first task is hashed: Nx hashes a task only after the preceding ones have finished, and docker
 * takes as long to respond as all the rest of a fully cached run.
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

// If facts can't be read, a unique text makes the key unique.
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

// Nx passes command-line options as written: `--builder-name` or `--builderName`.
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

/** The options for the folders that an executor reads, with their defaults. */
const READ: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  verify: { inputPath: 'dist/bin' },
  'docker-release': { inputPath: 'dist/bin', verifyPath: 'dist/verify' },
  sbom: { inputPath: 'dist/bin' },
};

// For artifacts not written by a task in the run, such as a folder given on the command line, Nx hashes only the name.
function foldersNamed(task: Task, projectGraph: ProjectGraph): readonly string[] {
  const { executor, options } = configurationOf(task, projectGraph);
  return Object.entries(READ[executor] ?? {}).map(([name, byDefault]) =>
    posix.normalize(String(options[name] ?? byDefault)),
  );
}

function isIn(path: string, folder: string): boolean {
  return `${path}/`.startsWith(`${posix.normalize(folder)}/`);
}

/** The outputs of a task's dependencies in this run. */
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
 * The output folders of the preceding targets, relative to the workspace root, sorted. Follows `dependsOn` within the
 * project; outputs outside `{workspaceRoot}` aren't artifacts.
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

// Hashes paths, kinds, executable bits and contents: everything that a restored or downloaded artifact preserves.
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
