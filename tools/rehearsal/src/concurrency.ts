import type { Workflow } from './workflow.ts';

/** How many runs may wait if a group queues. */
const MAX_WAITING = 100;

/**
 * Schedules runs of one group that start at the same time: returns those that run, in order, and those that are
 * canceled. Unless the group queues, only one run waits, and each new run replaces it.
 * https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
 */
export function scheduleRuns<T>(
  concurrency: Workflow['concurrency'],
  runs: readonly T[],
): { readonly ran: readonly T[]; readonly cancelled: readonly T[] } {
  const [first, ...waiting] = runs;
  if (concurrency === undefined || first === undefined) return { ran: runs, cancelled: [] };
  const inProgress = concurrency['cancel-in-progress'] === true;
  if (inProgress && concurrency.queue === 'max')
    throw new Error('concurrency: queue: max and cancel-in-progress: true exclude each other');
  if (inProgress) return { ran: runs.slice(-1), cancelled: runs.slice(0, -1) };
  const kept = concurrency.queue === 'max' ? waiting.slice(0, MAX_WAITING) : waiting.slice(-1);
  return { ran: [first, ...kept], cancelled: waiting.filter((each) => !kept.includes(each)) };
}
