import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import type { HasherContext, Task, TaskGraph } from '@nx/devkit';
import { hashArtifacts } from './keys/artifacts.ts';
import { asText, hasFacts, MAX_AGE_MS, readFacts, readMachine } from './keys/facts.ts';
import { hasPlainInputs } from './keys/inputs.ts';
import { hashOutputsBefore } from './keys/outputs.ts';
import { PACKAGE } from './package.ts';

export { expectImage } from './keys/facts.ts';

const require = createRequire(import.meta.url);

/** A task's hash, as Nx expects it. */
export interface TaskHash {
  readonly value: string;
}

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
function followingTasks(task: Task, context: Context): readonly Task[] {
  const { taskGraph, projectGraph } = context;
  const follows = (id: string, seen: Set<string>): boolean =>
    (taskGraph.dependencies[id] ?? []).some((before) => {
      if (seen.has(before)) return false;
      seen.add(before);
      return before === task.id || follows(before, seen);
    });
  return Object.values(taskGraph.tasks).filter((each) => {
    if (each.target.project !== task.target.project || isDryRun(each)) return false;
    const isOurs = hasFacts(each, projectGraph);
    return isOurs && follows(each.id, new Set()) && hasPlainInputs(each, context);
  });
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
