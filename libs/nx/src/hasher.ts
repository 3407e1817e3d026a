import { createHash, randomUUID } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { HasherContext, ProjectGraph, Task } from '@nx/devkit';
import { sha256OfFile } from './files/hash.ts';

/** What Nx wants of a task's hash. */
export interface TaskHash {
  readonly value: string;
}

/**
 * The cache key of a task that works on the artifacts of other tasks. In a run that holds those tasks, Nx's own key
 * follows their outputs (`dependentTasksOutputFiles`). In a run without them (`--exclude-task-dependencies`, where
 * the artifacts come from elsewhere) Nx's key knows nothing of the artifacts: then their content is made part of it.
 * A dry run gets a key of its own each time: Nx would otherwise keep the outputs it found beside it, and put those
 * back, in place of later ones, when the same dry run is asked for again.
 *
 * @see https://nx.dev/reference/inputs#dependent-tasks-output-files
 */
export async function hashWithArtifacts(
  task: Task,
  context: Pick<HasherContext, 'hasher' | 'taskGraph' | 'projectGraph'> & {
    readonly env?: NodeJS.ProcessEnv;
  },
  workspaceRoot?: string,
): Promise<TaskHash> {
  const hash: TaskHash = await context.hasher.hashTask(task, context.taskGraph, context.env ?? process.env);
  if (isDryRun(task)) return { ...hash, value: sha256Of(`${hash.value}\n${randomUUID()}`) };
  if ((context.taskGraph.dependencies[task.id] ?? []).length > 0) return hash;
  const folders = artifactsOf(task.target.project, task.target.target, context.projectGraph);
  if (folders.length === 0) return hash;
  // Only here: what @nx/devkit loads would be a third of the time of a run from the cache.
  const root = workspaceRoot ?? (await import('@nx/devkit')).workspaceRoot;
  const digest = createHash('sha256').update(`${hash.value}\n`);
  for (const path of folders) {
    digest.update(`${path}\n`);
    await addFolder(digest, join(root, path), root);
  }
  return { ...hash, value: digest.digest('hex') };
}

function isDryRun({ overrides }: Task): boolean {
  return overrides?.dryRun === true || overrides?.['dry-run'] === true;
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
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
