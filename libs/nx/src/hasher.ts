import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import type { HasherContext, ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import * as buildBinaries from './executors/build-binaries/facts.ts';
import { machineOptions, readKeyFacts, readMachineFacts } from './executors/docker-release/key-facts.ts';
import type { KeyFacts } from './executors/key-facts.ts';
import type { ProjectContext } from './executors/project-context.ts';
import * as verify from './executors/verify/facts.ts';
import { hashArtifacts } from './keys/artifacts.ts';
import { configurationOf } from './keys/configuration-of.ts';
import { hashOutputsBefore, PRODUCED } from './keys/outputs.ts';
import { PACKAGE } from './package.ts';

const require = createRequire(import.meta.url);

/** A task's hash, as Nx expects it. */
export interface TaskHash {
  readonly value: string;
}

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
 * The maximum age of facts that were read before a task's turn, in milliseconds. A cache hit is right, since they were
 * read in this very Nx run. On a miss, the executor reads them again. If they change in between, the result is stored
 * under the old facts. That can happen with any input that changes while Nx runs; this only lengthens the window by as
 * much.
 */
const MAX_AGE_MS = 2_000;

type MachineFacts = Map<string, { readonly at: number; readonly facts: Promise<string> }>;

/** The machine facts of an Nx run, by executor and options, and when reading them started. */
const machines = new WeakMap<TaskGraph, MachineFacts>();

/** Those that were read before the first task of a run was hashed. */
const expected: MachineFacts = new Map();

/** A key that was computed before the task's turn, and what the preceding tasks had written by then. */
interface EarlyKey {
  readonly at: number;
  readonly outputs: string;
  /** Undefined if it could not be computed. */
  readonly key: Promise<TaskHash | undefined>;
}

/** The early keys of an Nx run, by task. */
const early = new WeakMap<TaskGraph, Map<string, EarlyKey>>();

type Context = Pick<HasherContext, 'hasher' | 'taskGraph' | 'projectGraph'> &
  Partial<HasherContext> & { readonly env?: NodeJS.ProcessEnv };

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
 * Also computes the keys of the project's following tasks. When it is their turn, the early key counts if the preceding
 * tasks left their outputs as they were, which they do if all of them are cache hits.
 *
 * @see https://nx.dev/reference/inputs#dependent-tasks-output-files
 */
export async function hashTask(task: Task, context: Context, workspaceRoot?: string): Promise<TaskHash> {
  if (isDryRun(task)) {
    const own = await context.hasher.hashTask(task, context.taskGraph, environmentOf(context));
    return { ...own, value: sha256Of(`${own.value}\n${randomUUID()}`) };
  }
  const root = workspaceRoot ?? rootOfWorkspace();
  return (await takeEarlyKey(task, context, root)) ?? (await computeKey(task, context, root));
}

async function takeEarlyKey(task: Task, { taskGraph }: Context, root: string): Promise<TaskHash | undefined> {
  const found = early.get(taskGraph)?.get(task.id);
  if (found === undefined) return undefined;
  early.get(taskGraph)?.delete(task.id);
  if (performance.now() - found.at > MAX_AGE_MS) return undefined;
  return hashOutputsBefore(task, taskGraph, root) === found.outputs ? found.key : undefined;
}

/** The task's key. Starts computing those of the following tasks. */
async function computeKey(task: Task, context: Context, root: string): Promise<TaskHash> {
  const { taskGraph } = context;
  const known = early.get(taskGraph) ?? new Map<string, EarlyKey>();
  early.set(taskGraph, known);
  const at = performance.now();
  const following = followingTasks(task, context).flatMap((each) => {
    const outputs = hashOutputsBefore(each, taskGraph, root);
    return outputs === undefined ? [] : [{ task: each, outputs }];
  });
  const [own, ...others] = computeKeys([task, ...following.map((each) => each.task)], context, root);
  following.forEach((each, index) => {
    const key = Promise.resolve(others[index]).catch(() => undefined);
    known.set(each.task.id, { at, outputs: each.outputs, key });
  });
  if (following.length === 0) return own;
  // Whatever is wrong with the following tasks is their own problem.
  return own.catch(() => computeKeys([task], context, root)[0]);
}

/**
 * The tasks of the same project that depend on this one and whose keys don't depend on what Nx alone knows: other
 * outputs, the environment of the task, or other programs.
 */
function followingTasks(task: Task, { taskGraph, projectGraph }: Context): readonly Task[] {
  const follows = (id: string, seen: Set<string>): boolean =>
    (taskGraph.dependencies[id] ?? []).some((before) => {
      if (seen.has(before)) return false;
      seen.add(before);
      return before === task.id || follows(before, seen);
    });
  return Object.values(taskGraph.tasks).filter((each) => {
    if (each.target.project !== task.target.project || isDryRun(each)) return false;
    const isOurs = FACTS[configurationOf(each, projectGraph).executor] !== undefined;
    return isOurs && follows(each.id, new Set()) && hasPlainInputs(each, projectGraph);
  });
}

function hasPlainInputs({ target }: Task, { nodes }: ProjectGraph): boolean {
  const inputs = nodes[target.project]?.data.targets?.[target.target]?.inputs;
  return (
    inputs?.every((input) =>
      typeof input === 'string'
        ? /^!?\{(projectRoot|workspaceRoot)\}/.test(input)
        : 'dependentTasksOutputFiles' in input &&
          input.dependentTasksOutputFiles === PRODUCED &&
          input.transitive !== true,
    ) ?? false
  );
}

function computeKeys<Tasks extends readonly [Task, ...Task[]]>(
  tasks: Tasks,
  context: Context,
  root: string,
): { readonly [Index in keyof Tasks]: Promise<TaskHash> } {
  // Docker takes longer than everything else, so let it start first.
  const machine = tasks.map((task) => readMachine(task, context));
  const read = Promise.all(
    tasks.map((task) => Promise.all([readFacts(task, context, root), hashArtifacts(task, context, root)])),
  );
  // Ask only after reading the files: Nx's daemon answers within 10 ms, or 50 if files are opened meanwhile.
  const hashes = read.then(() => askNx(tasks, context));
  const keys = tasks.map(async (_, index): Promise<TaskHash> => {
    const [facts, artifacts] = present((await read)[index]);
    const rest = async () => {
      // Starting a process blocks this one, so let the request to Nx go out first.
      await setImmediate();
      return asText(facts.rest());
    };
    const [own, ...others] = await Promise.all([hashes, rest(), machine[index]]);
    const hash = present(own[index]);
    const parts = [hash.value, PACKAGE.version, facts.files, ...others, ...artifacts];
    return { ...hash, value: sha256Of(parts.join('\n')) };
  });
  return keys as unknown as { readonly [Index in keyof Tasks]: Promise<TaskHash> };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Nx returned fewer hashes than tasks');
  return value;
}

// The daemon takes 10 ms for each request, whatever the number of tasks: it waits for changes of files.
async function askNx(tasks: readonly [Task, ...Task[]], context: Context): Promise<readonly TaskHash[]> {
  const { hasher, taskGraph } = context;
  const environment = environmentOf(context);
  return tasks.length === 1
    ? [await hasher.hashTask(tasks[0], taskGraph, environment)]
    : await hasher.hashTasks([...tasks], taskGraph, environment);
}

function environmentOf({ env }: Context): NodeJS.ProcessEnv {
  return env ?? process.env;
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
  const known = machines.get(taskGraph) ?? new Map(expected);
  const read = (each: Task): Promise<string> => {
    const { executor, options } = configurationOf(each, projectGraph);
    return readMachineOf(executor, options, known);
  };
  if (!machines.has(taskGraph)) {
    machines.set(taskGraph, known);
    Object.values(taskGraph.tasks).forEach(read);
  }
  return read(task);
}

/**
 * Starts reading the machine facts of images with the default options. Nx loads an executor's hasher 20 ms before it
 * hashes the first task.
 */
export function expectImage(): void {
  readMachineOf('docker-release', {}, expected);
}

function readMachineOf(
  executor: string,
  options: Readonly<Record<string, unknown>>,
  known: MachineFacts,
): Promise<string> {
  const { readMachineFacts, machineOptions = [] } = FACTS[executor] ?? {};
  if (readMachineFacts === undefined) return Promise.resolve('');
  const key = JSON.stringify([executor, ...machineOptions.map((name) => options[name])]);
  const found = known.get(key);
  const now = performance.now();
  if (found !== undefined && now - found.at <= MAX_AGE_MS) return found.facts;
  const facts = asText(readMachineFacts(options as never));
  known.set(key, { at: now, facts });
  return facts;
}

// If facts can't be read, a unique text makes the key unique.
function asText(facts: Promise<unknown>): Promise<string> {
  return facts.then(
    (read) => JSON.stringify(read) ?? '',
    () => randomUUID(),
  );
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
