import fs from 'node:fs';
import type { Logger } from '../log.ts';
import { readMountFacts } from '../probe/mount-table.ts';
import { parseMountInfo } from '../probe/mountinfo.ts';
import { type ProbeRequest, probeTitle, titleOf } from '../probe/protocol.ts';
import { textOf } from './kernel-file.ts';
import { after, type CancelTimer } from './timers.ts';

/**
 * How long a probe that was left behind may take to exit, and how often those that did not are checked again, in ms. A
 * probe whose monitor has just exited is about to exit as well.
 */
const MIN_ENDING_MS = 200;
const lookAgainMs = 60_000;

/** A probe started by another process and left behind in an unfinished check. */
export interface StrayProbe {
  readonly pid: number;
  /** Identifies what it checks; see `titleOf`. */
  readonly title: string;
  /** In clock ticks since the machine started; distinguishes it from a later process with the same ID. */
  readonly startedAt: string;
  /** Whether the monitor that started it has exited; a running monitor reports its own probes. */
  readonly isOrphan: boolean;
}

/** SIGKILL in a signal mask (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html). */
const killBit = 1n << 8n;

/**
 * Finds this user's probes that others have left behind: killed and still held by the kernel, or working for a monitor
 * that has exited. Each restart of the monitor with a hanging mount leaves one. It reads only what the kernel answers
 * from memory, because reading the command line of a hanging process may hang as well.
 */
export function findStrays(folder = '/proc', self = process.pid): readonly StrayProbe[] {
  const names = fs.readdirSync(folder).filter((name) => /^\d+$/.test(name));
  // Check the name first: there may be thousands of processes, and the first checks wait for this.
  return names.flatMap((name) =>
    textOf(`${folder}/${name}/comm`)?.startsWith(probeTitle) ? strayOf(folder, name, self) : [],
  );
}

function strayOf(folder: string, pid: string, self: number): readonly StrayProbe[] {
  const found = readProcess(folder, pid);
  const owner = fs.statSync(`${folder}/${pid}`, { throwIfNoEntry: false })?.uid;
  if (found === undefined || found.hasEnded || found.parent === self || owner !== process.getuid?.())
    return [];
  const isOrphan = textOf(`${folder}/${found.parent}/comm`) !== textOf(`${folder}/${self}/comm`);
  const { title, startedAt } = found;
  return isOrphan || isHeld(folder, pid) ? [{ pid: Number(pid), title, startedAt, isOrphan }] : [];
}

interface Process {
  readonly title: string;
  readonly hasEnded: boolean;
  readonly parent: number;
  readonly startedAt: string;
}

/** Reads https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; undefined if the process is gone. */
function readProcess(folder: string, pid: number | string): Process | undefined {
  const stat = textOf(`${folder}/${pid}/stat`);
  if (stat === undefined) return undefined;
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  return {
    title: stat.slice(stat.indexOf('(') + 1, end),
    hasEnded: fields[0] === 'Z' || fields[0] === 'X',
    parent: Number(fields[1]),
    startedAt: fields[19] ?? '',
  };
}

/** Whether a process was killed and still exists. */
function isHeld(folder: string, pid: string): boolean {
  const status = textOf(`${folder}/${pid}/status`) ?? '';
  const pending = /^SigPnd:\s+([\da-f]+)$/m.exec(status)?.[1] ?? '0';
  return (BigInt(`0x${pending}`) & killBit) !== 0n;
}

function isThere({ pid, title, startedAt }: StrayProbe): boolean {
  const found = readProcess('/proc', pid);
  return found?.title === title && found.startedAt === startedAt && !found.hasEnded;
}

/**
 * Whether a process sees the file system that the path is on now. On a machine where all processes are visible, the
 * same path may be something else in another container.
 */
function sharesMount({ pid }: StrayProbe, path: string): boolean {
  const device = readMountFacts(path)?.device;
  const table = textOf(`/proc/${pid}/mountinfo`);
  return table === undefined || parseMountInfo(table).some((entry) => entry.device === device);
}

/**
 * Tracks the probes that already hung when this process started. No probe is started for a mount that one of them hangs
 * on.
 */
export class Predecessors {
  readonly #decidedAt = performance.now() + MIN_ENDING_MS;
  #strays = findStrays();
  #titles: ReadonlySet<string> = new Set();
  #count = 0;
  #log: Logger | undefined;
  #cancelTimer: CancelTimer = () => undefined;

  /** How many are known to hang on this monitor's mounts after their own monitors have exited. */
  get count(): number {
    return this.#count;
  }

  /** Whether one is known to hang on this request's mount. */
  holds(request: ProbeRequest): boolean {
    return performance.now() >= this.#decidedAt && this.#isSuspect(request);
  }

  /** Checks whether one hangs on this request's mount; settles immediately if none can, and otherwise within 200 ms. */
  async look(request: ProbeRequest): Promise<boolean> {
    if (!this.#isSuspect(request)) return false;
    const waitMs = Math.ceil(this.#decidedAt - performance.now());
    if (waitMs > 0) await new Promise<void>((resolve) => after(waitMs, resolve));
    this.#lookAgain();
    return this.#isSuspect(request);
  }

  /** Logs how many there are at these mounts, and again when that changes. Calling it again replaces the mounts. */
  report(log: Logger, requests: readonly ProbeRequest[]): void {
    this.#log = log;
    this.#titles = new Set(requests.map(titleOf));
    const look = (): void => {
      this.#lookAgain();
      if (this.#strays.length > 0) this.#cancelTimer = after(lookAgainMs, look);
    };
    this.#cancelTimer();
    this.#cancelTimer = after(Math.ceil(this.#decidedAt - performance.now()), look);
  }

  close(): void {
    this.#log = undefined;
    this.#cancelTimer();
  }

  #isSuspect(request: ProbeRequest): boolean {
    if (this.#strays.length === 0) return false;
    const title = titleOf(request);
    return this.#strays.some((stray) => stray.title === title && sharesMount(stray, request.path));
  }

  #lookAgain(): void {
    this.#strays = this.#strays.filter(isThere);
    const found = this.#strays.filter(({ isOrphan, title }) => isOrphan && this.#titles.has(title));
    const { length: count } = found;
    if (count === this.#count) return;
    this.#count = count;
    const fields = { count, pids: found.slice(0, 20).map(({ pid }) => pid) };
    if (count > 0) this.#log?.warn('probes of an earlier run still hang in the kernel', fields);
    else this.#log?.info('no probe of an earlier run hangs in the kernel anymore');
  }
}
