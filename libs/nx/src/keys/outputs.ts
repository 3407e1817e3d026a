import { createHash } from 'node:crypto';
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Task, TaskGraph } from '@nx/devkit';

/** The outputs of preceding tasks that are inputs of an inferred task, as a glob for `dependentTasksOutputFiles`. */
export const PRODUCED = '**/*.json';

const MAX_ENTRIES = 1_000;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * A hash of the JSON files in the outputs of the preceding tasks, which is what `PRODUCED` makes Nx hash. Undefined if
 * that can't be read quickly and exactly: if an output is missing or a pattern, holds a link, has more than 1,000
 * entries, or more than 4 MiB of JSON.
 */
export function hashOutputsBefore(task: Task, taskGraph: TaskGraph, root: string): string | undefined {
  const digest = createHash('sha256');
  const left = { entries: MAX_ENTRIES, bytes: MAX_BYTES };
  // Reads synchronously, since this is faster for a few files, and Nx has nothing else to do.
  const add = (folder: string): boolean => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    left.entries -= entries.length;
    return (
      left.entries >= 0 && entries.sort(byName).every((entry) => addEntry(`${folder}/${entry.name}`, entry))
    );
  };
  const addEntry = (path: string, entry: Dirent): boolean => {
    if (entry.isDirectory()) return add(path);
    if (!entry.isFile()) return false;
    if (!path.endsWith('.json')) return true;
    left.bytes -= statSync(join(root, path)).size;
    if (left.bytes < 0) return false;
    const content = readFileSync(join(root, path));
    digest.update(`${JSON.stringify(path)} ${content.length}\n`).update(content);
    return true;
  };
  const folders = (taskGraph.dependencies[task.id] ?? []).flatMap((id) => taskGraph.tasks[id]?.outputs ?? []);
  try {
    const read = folders.every((folder) => !/[*?[\]{}!]/.test(folder) && add(folder));
    return read ? digest.digest('hex') : undefined;
  } catch {
    return undefined;
  }
}

function byName(one: Dirent, other: Dirent): number {
  return one.name < other.name ? -1 : 1;
}
