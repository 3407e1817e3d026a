import { randomUUID } from 'node:crypto';
import type { HasherContext, ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import * as buildBinaries from '../executors/build-binaries/facts.ts';
import { machineOptions, readKeyFacts, readMachineFacts } from '../executors/docker-release/key-facts.ts';
import type { KeyFacts } from '../executors/key-facts.ts';
import type { ProjectContext } from '../executors/project-context.ts';
import * as verify from '../executors/verify/facts.ts';
import { configurationOf } from './configuration-of.ts';

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
export const MAX_AGE_MS = 2_000;

type MachineFacts = Map<string, { readonly at: number; readonly facts: Promise<string> }>;

/** The machine facts of an Nx run, by executor and options, and when reading them started. */
const machines = new WeakMap<TaskGraph, MachineFacts>();

/** Those that were read before the first task of a run was hashed. */
const expected: MachineFacts = new Map();

/** Whether the task's key needs more facts than Nx knows. */
export function hasFacts(task: Task, projectGraph: ProjectGraph): boolean {
  return FACTS[configurationOf(task, projectGraph).executor] !== undefined;
}

/**
 * The facts of a task's executor: those from the workspace's files as part of the key, and how to read the rest. None if
 * the executor isn't one of this package's.
 */
export async function readFacts(
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

/**
 * A task's machine facts, shared by all tasks in a run and read again once they are too old. Starts reading those of
 * all tasks when the first task is hashed: Nx hashes a task only after the preceding ones have finished, and docker
 * takes as long to respond as all the rest of a fully cached run.
 */
export function readMachine(
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

/** Facts as part of a key. If they can't be read, a unique text makes the key unique. */
export function asText(facts: Promise<unknown>): Promise<string> {
  return facts.then(
    (read) => JSON.stringify(read) ?? '',
    () => randomUUID(),
  );
}
