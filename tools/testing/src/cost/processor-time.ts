import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The kernel reports CPU time in hundredths of a second (USER_HZ, `man 5 proc_pid_stat`). */
const TICKS_PER_SECOND = 100;

/**
 * CPU seconds of this process and of every descendant that has exited and was waited for. Daemons that serve it, such
 * as the engine, are not included. On systems other than Linux: of this process only.
 */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + (process.platform === 'linux' ? childrenSeconds() : 0);
}

function childrenSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // The second field is the command in parentheses, with any characters; cutime and cstime are the 16th and 17th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** What all the machine's processors have done, in seconds, for all programs, including others' and the engine. */
export interface MachineUse {
  readonly busy: number;
  readonly idle: number;
}

/** What the processors did since the machine started, or since an earlier reading. */
export function machineUse(since: MachineUse = { busy: 0, idle: 0 }): MachineUse {
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy: busy / 1000 - since.busy, idle: idle / 1000 - since.idle };
}
