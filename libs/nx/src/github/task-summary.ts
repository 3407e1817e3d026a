import type { TaskResult } from '@nx/devkit';
import { tableLines } from './table.ts';

type Status = TaskResult['status'];

/** What a summary reports about a task. */
export interface FinishedTask {
  readonly id: string;
  readonly status: Status;
  /** Whether the task may come from a cache at all. */
  readonly cache: boolean;
  /** Milliseconds since 1970; undefined where Nx did not note it. */
  readonly startTime?: number | undefined;
  readonly endTime?: number | undefined;
}

const RESULTS: Readonly<Record<Status, string>> = {
  success: 'ran',
  failure: 'failed',
  skipped: 'skipped',
  stopped: 'stopped',
  'local-cache': 'local cache',
  'local-cache-kept-existing': 'local cache',
  'remote-cache': 'remote cache',
};

/**
 * The tasks of a run of Nx as Markdown, by id: what became of each, its time, and how many of those that may be cached
 * came from a cache. Undefined for a run without tasks.
 */
export function summarizeTasks(tasks: readonly FinishedTask[]): string | undefined {
  if (tasks.length === 0) return undefined;
  const cacheable = tasks.filter(({ cache }) => cache);
  const hits = cacheable.filter(({ status }) => RESULTS[status].endsWith(' cache'));
  return [
    '### Tasks',
    '',
    ...tableLines(
      ['task', 'result', '>time'],
      tasks
        .toSorted((one, other) => (one.id < other.id ? -1 : 1))
        .map((task) => [task.id, RESULTS[task.status], duration(task)]),
    ),
    '',
    cacheable.length === 0 ? 'Cache: no cacheable tasks' : `Cache: ${hits.length} of ${cacheable.length}`,
  ].join('\n');
}

function duration({ startTime, endTime }: FinishedTask): string {
  return startTime === undefined || endTime === undefined
    ? ''
    : `${((endTime - startTime) / 1000).toFixed(1)} s`;
}
