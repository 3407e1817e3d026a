import { createHash } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, posix, relative, resolve } from 'node:path';
import type { HasherContext, ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import { sha256OfFile } from '../files/hash.ts';
import { configurationOf } from './configuration-of.ts';

/**
 * Hashes of the artifacts that Nx's own hash doesn't cover: those of preceding tasks that are not in the run, and those
 * in folders that an option names and no task of the run writes. Empty if there are none.
 */
export async function hashArtifacts(
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
