import { createHash, randomUUID } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { HasherContext, ProjectGraph, Task } from '@nx/devkit';
import type { ProjectContext } from './executors/project-context.ts';
import { sha256OfFile } from './files/hash.ts';
import { PACKAGE } from './package.ts';

/** What Nx wants of a task's hash. */
export interface TaskHash {
  readonly value: string;
}

type Options = Readonly<Record<string, unknown>>;

/** Reads what an executor's result depends on and no file of the workspace holds, as JSON. */
type ReadFacts = (options: never, context: ProjectContext) => Promise<unknown>;

// Loaded where they are needed: every run of Nx waits for this.
const FACTS: Readonly<Record<string, () => Promise<ReadFacts>>> = {
  'build-binaries': async () => (await import('./executors/build-binaries/facts.ts')).readKeyFacts,
  verify: async () => (await import('./executors/verify/facts.ts')).readKeyFacts,
  'docker-release': async () => (await import('./executors/docker-release/facts.ts')).readKeyFacts,
};

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
  // Nx has loaded this already; @nx/devkit would take a third of the time of a run from the cache.
  const root = workspaceRoot ?? (await import('nx/src/utils/workspace-root.js')).workspaceRoot;
  const [own, facts, artifacts] = await Promise.all([
    hash,
    readFacts(task, context, root),
    hashArtifacts(task, context, root),
  ]);
  return { ...own, value: sha256Of([own.value, PACKAGE.version, facts, ...artifacts].join('\n')) };
}

function isDryRun({ overrides }: Task): boolean {
  return overrides?.dryRun === true || overrides?.['dry-run'] === true;
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function readFacts(
  { target, overrides }: Task,
  { projectGraph, nxJsonConfiguration }: Pick<HasherContext, 'projectGraph'> & Partial<HasherContext>,
  root: string,
): Promise<string> {
  const project = projectGraph.nodes[target.project]?.data;
  const configured = project?.targets?.[target.target];
  const load = FACTS[configured?.executor?.split(':').at(-1) ?? ''];
  if (load === undefined) return '';
  const options: Options = {
    ...configured?.options,
    ...configured?.configurations?.[target.configuration ?? ''],
    ...camelCased(overrides),
  };
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
    return JSON.stringify(await (await load())(options as never, context));
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
