import fs from 'node:fs';
import type { Logger } from '../log.ts';
import { readMountFacts } from '../probe/mount-table.ts';
import { parseMountInfo } from '../probe/mountinfo.ts';
import { type ProbeRequest, probeTitle, titleOf } from '../probe/protocol.ts';
import { after, type CancelTimer } from './timers.ts';

/**
 * How long a probe that was left behind may take to end, and how often those that did not are looked at again, in ms. One
 * whose monitor has just ended is on its way out.
 */
const MIN_ENDING_MS = 200;
const lookAgainMs = 60_000;

/** A probe of a process that is not this one, left behind in a check that has not ended. */
export interface StrayProbe {
  readonly pid: number;
  /** Says what it is at; see `titleOf`. */
  readonly title: string;
  /** In clock ticks since the machine started: distinguishes it from a later process with the same id. */
  readonly startedAt: string;
  /** Whether the monitor that started it has ended; one that has not reports its probes itself. */
  readonly isOrphan: boolean;
}

/** SIGKILL in a mask of signals (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html). */
const killBit = 1n << 8n;

/**
 * The probes of this user that others have left behind: killed and still held by the kernel, or at work for a monitor that
 * has ended. Each restart of the monitor beside a mount that hangs leaves one. Only what the kernel answers from memory is
 * read: the command line of a process that hangs may make its reader hang, too.
 */
export function findStrays(folder = '/proc', self = process.pid): readonly StrayProbe[] {
  const names = fs.readdirSync(folder).filter((name) => /^\d+$/.test(name));
  // The name alone first: there may be thousands of processes, and the first checks wait for this.
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

/** What https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html says; undefined where the process is gone. */
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

/** Whether a process was killed and still runs. */
function isHeld(folder: string, pid: string): boolean {
  const status = textOf(`${folder}/${pid}/status`) ?? '';
  const pending = /^SigPnd:\s+([\da-f]+)$/m.exec(status)?.[1] ?? '0';
  return (BigInt(`0x${pending}`) & killBit) !== 0n;
}

function isThere({ pid, title, startedAt }: StrayProbe): boolean {
  const found = readProcess('/proc', pid);
  return found?.title === title && found.startedAt === startedAt && !found.hasEnded;
}

/** A small file's content; undefined where its process has ended meanwhile. */
function textOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Whether a process sees the file system that a path is in now. On a machine whose processes are all visible here, the same
 * path may be something else in another container.
 */
function sharesMount({ pid }: StrayProbe, path: string): boolean {
  const device = readMountFacts(path)?.device;
  const table = textOf(`/proc/${pid}/mountinfo`);
  return table === undefined || parseMountInfo(table).some((entry) => entry.device === device);
}

/** What is left of the probes that hung when this process started: none is started beside one of them for its mount. */
export class Predecessors {
  readonly #decidedAt = performance.now() + MIN_ENDING_MS;
  #strays = findStrays();
  #titles: ReadonlySet<string> = new Set();
  #count = 0;
  #log: Logger | undefined;
  #cancelTimer: CancelTimer = () => undefined;

  /** How many there are at the mounts of this monitor whose own monitors have ended, as far as is known. */
  get count(): number {
    return this.#count;
  }

  /** Whether one hangs on the mount of this request, as far as is known. */
  holds(request: ProbeRequest): boolean {
    return performance.now() >= this.#decidedAt && this.#isSuspect(request);
  }

  /** Looks whether one hangs on the mount of this request; settles at once where none may, else within 200 ms. */
  async look(request: ProbeRequest): Promise<boolean> {
    if (!this.#isSuspect(request)) return false;
    const waitMs = Math.ceil(this.#decidedAt - performance.now());
    if (waitMs > 0) await new Promise<void>((resolve) => after(waitMs, resolve));
    this.#lookAgain();
    return this.#isSuspect(request);
  }

  /** Says how many there are at these mounts, and again when that changes; called again it is about others. */
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
    else this.#log?.info('no probe of an earlier run hangs in the kernel any more');
  }
}
