import { readdir, readFile, stat } from 'node:fs/promises';
import type { Logger } from '../log.ts';
import { probeTitle } from '../probe/protocol.ts';
import { after, type CancelTimer } from './timers.ts';

/** When they are looked for, so that it does not hold up the first checks, and how often they are looked at again, in ms. */
const firstLookMs = 1000;
const lookAgainMs = 60_000;

/** A probe of another process than this, in an uninterruptible wait. */
export interface WaitingProbe {
  readonly pid: number;
  /** Says what it waits for; see `titleOf`. */
  readonly title: string;
  /** Whether it was killed, so that it missed its deadline and only the kernel still holds it. */
  readonly killed: boolean;
}

/** SIGKILL in a mask of signals (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html). */
const killBit = 1n << 8n;

/**
 * The probes of other monitors, of this user, that wait in the kernel: each restart of the monitor beside a mount that
 * hangs leaves one behind. Only what the kernel answers from memory is read: the command line of a process that hangs may
 * make its reader hang, too.
 */
export async function findPredecessors(
  folder = '/proc',
  self = process.pid,
): Promise<readonly WaitingProbe[]> {
  const user = process.getuid?.();
  const names = (await readdir(folder)).filter((name) => /^\d+$/.test(name));
  const found: WaitingProbe[] = [];
  for (const name of names) {
    try {
      const text = await readFile(`${folder}/${name}/stat`, 'utf8');
      const end = text.lastIndexOf(')');
      const title = text.slice(text.indexOf('(') + 1, end);
      const [state, parent] = text.slice(end + 2).split(' ');
      if (!title.startsWith(probeTitle) || state !== 'D' || Number(parent) === self) continue;
      if ((await stat(`${folder}/${name}`)).uid !== user) continue;
      const pending = /^SigPnd:\s+([\da-f]+)$/m.exec(await readFile(`${folder}/${name}/status`, 'utf8'))?.[1];
      found.push({ pid: Number(name), title, killed: (BigInt(`0x${pending ?? 0}`) & killBit) !== 0n });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Counts the predecessors' probes at the start and says so, then until none is left. */
export class Predecessors {
  readonly #log: Logger;
  #count = 0;
  #cancelTimer: CancelTimer = () => undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** How many there are, as far as is known. */
  get count(): number {
    return this.#count;
  }

  /** Looks in a moment, and again as long as there are some. */
  start(): void {
    this.#cancelTimer = after(firstLookMs, () => void this.#look());
  }

  close(): void {
    this.#cancelTimer();
  }

  async #look(): Promise<void> {
    const found = await findPredecessors().catch(() => []);
    if (found.length !== this.#count) {
      const fields = { count: found.length, pids: found.slice(0, 20).map(({ pid }) => pid) };
      if (found.length > 0) this.#log.warn('probes of an earlier run still hang in the kernel', fields);
      else this.#log.info('no probe of an earlier run hangs in the kernel any more');
    }
    this.#count = found.length;
    if (this.#count > 0) this.#cancelTimer = after(lookAgainMs, () => void this.#look());
  }
}
