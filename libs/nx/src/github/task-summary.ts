import type { TaskResult } from '@nx/devkit';
import { tableLines } from './table.ts';

type Status = TaskResult['status'];

/** A finished task, as reported in a summary. */
export interface FinishedTask {
  readonly id: string;
  readonly status: Status;
  /** Whether the task is cacheable. */
  readonly cache: boolean;
  /** Milliseconds since 1970; undefined if Nx did not record it. */
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
 * The tasks of an Nx run as Markdown, sorted by id: the result and duration of each, and how many of the cacheable ones
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
