import { readdirSync, readFileSync } from 'node:fs';
import { titleOf } from '../src/probe/protocol.ts';

/** The IDs of a process's children. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** The number of a process's open file descriptors. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** A process's state letter, such as D for an uninterruptible wait. */
export function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.charAt(stat.lastIndexOf(')') + 2);
}

/** The probes whose most recent or current check is one of a mount's canary, in one of these states. */
export function probesOf(path: string, isIn: (state: string) => boolean): readonly number[] {
  const title = titleOf({ path, checkType: 'canary' });
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8') === `${title}\n` && isIn(stateOf(pid));
      } catch {
        return false;
      }
    });
}

/** Resident and anonymous memory in KiB. */
export function memoryOf(pid: number): { readonly resident: number; readonly anonymous: number } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]);
  return { resident: field('Rss'), anonymous: field('Anonymous') };
}

/**
 * Anonymous memory in KiB, from a counter that the kernel keeps anyway. Unlike {@link memoryOf}, it does not lock the
 * process's address space, so it can be read often.
 */
export function anonymousOf(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Processor time used so far, in ms (clock ticks of 10 ms), excluding children. */
export function processorTimeOf(pid: number): number {
  return ticksOf(pid).own * 10;
}

/** The same, including children: those that run, and those that have ended and were waited for. */
export function familyProcessorTimeOf(pid: number): number {
  const running = childrenOf(pid).reduce((sum, child) => sum + ticksOf(child).own, 0);
  const { own, ended } = ticksOf(pid);
  return (running + own + ended) * 10;
}

/** Of a process, and of its ended children (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html). */
function ticksOf(pid: number): { readonly own: number; readonly ended: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const sum = (first: number): number => Number(fields[first]) + Number(fields[first + 1]);
  return { own: sum(11), ended: sum(13) };
}

/**
 * How long each thread of a process has been ready to run without a processor so far, in ms, by thread ID
 * (https://docs.kernel.org/scheduler/sched-stats.html).
 */
export function waitedTimesOf(pid: number): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [, nanoseconds] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
      times.set(task, Number(nanoseconds) / 1e6);
    } catch {
      // The thread has exited.
    }
  }
  return times;
}
