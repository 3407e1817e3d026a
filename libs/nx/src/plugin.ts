import type { PostTasksExecution } from '@nx/devkit';
import { writeJobSummary } from './github/job-summary.ts';
import { summariseTasks } from './github/task-summary.ts';

/**
 * Called by Nx at the end of a run: adds to the summary of a GitHub Actions job which tasks ran and which came from a
 * cache, where no executor could say so. Nothing elsewhere. Nx calls it in its daemon where that runs, which knows the
 * summary's file of the step that started it; CI turns the daemon off.
 * https://nx.dev/docs/extending-nx/task-running-lifecycle
 */
export const postTasksExecution: PostTasksExecution = async (_, { taskResults }) => {
  const summary = summariseTasks(Object.values(taskResults).map(({ task, status }) => ({ ...task, status })));
  // Nx ends its own report without an empty line.
  if (summary !== undefined) await writeJobSummary(`\n${summary}`);
};
