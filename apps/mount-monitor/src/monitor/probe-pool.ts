import type { ProbeCommand } from './probe-link.ts';
import { ProbeProcess } from './probe-process.ts';
import { after, type CancelTimer } from './timers.ts';

/** How many probes wait for work at most; each costs about 2 MB. */
const MAX_IDLE = 2;

/** How many may be starting up at a time: it bounds the burst of work when many checks fall together. */
const MAX_STARTING = 4;

/**
 * After how long a check counts as late, in ms: nobody waits for its probe to become free any more. A queue that moves is
 * waited in, so that a busy machine does not start processes on top.
 */
const LATE_MS = 40;

/**
 * The same for a probe that does not wait for its mount but computes, or for a processor: to start more processes is of no
 * help then.
 */
const LATE_RUNNING_MS = 200;

export interface ProbePoolOptions {
  readonly command: ProbeCommand;
  /** How long a probe may take to start up, and the longest that anybody waits for one, in ms. */
  readonly startTimeoutMs: number;
}

interface Waiter {
  readonly since: number;
  readonly give: (probe: ProbeProcess | string) => void;
}

/**
 * Keeps a few probes for the next checks. Healthy mounts answer quickly and share them one after the other; a probe that
 * a mount holds on to is not waited for, so mounts that hang delay nobody for longer than it takes to start another.
 */
export class ProbePool {
  readonly #options: ProbePoolOptions;
  readonly #idle: ProbeProcess[] = [];
  readonly #starting = new Set<ProbeProcess>();
  readonly #working = new Set<ProbeProcess>();
  readonly #waiting: Waiter[] = [];
  #closed = false;
  #cancelTimer: CancelTimer | undefined;

  constructor(options: ProbePoolOptions) {
    this.#options = options;
  }

  /** A probe that waits for a request, or a text that says why there is none. */
  take(): Promise<ProbeProcess | string> {
    const { promise, resolve } = Promise.withResolvers<ProbeProcess | string>();
    this.#waiting.push({ since: performance.now(), give: resolve });
    this.#serve();
    return promise;
  }

  /** Ends every probe, and what they are checking as cancelled; waits for none. */
  close(): void {
    this.#closed = true;
    for (const probe of [...this.#idle, ...this.#starting, ...this.#working]) probe.end();
    this.#refuseAll('the monitor is shutting down');
  }

  /**
   * Has those who wait served. One probe does it for all, for as long as each check takes it only a moment: to wake up
   * another costs more than the check. Once that one is late the idle one takes over, and once all are late more are started.
   */
  #serve(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    const idle = this.#quickOnes() === 0 ? this.#idle.pop() : undefined;
    if (idle !== undefined) this.#give(idle);
    const [first] = this.#waiting;
    if (first === undefined) return;
    const quick = this.#quickOnes();
    const late = quick === 0 && performance.now() - first.since >= LATE_MS;
    const enough = late ? MAX_STARTING : Math.max(0, MAX_IDLE - quick - this.#idle.length);
    while (this.#starting.size < Math.min(enough, MAX_STARTING, this.#waiting.length)) this.#start();
    this.#cancelTimer ??= after(LATE_MS, () => {
      // Once around the event loop first: if this process was held up, a verdict may be waiting to be read.
      setImmediate(() => this.#onTimer());
    });
  }

  #give(probe: ProbeProcess): void {
    this.#working.add(probe);
    this.#waiting.shift()?.give(probe);
    if (this.#waiting.length > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #start(): void {
    const { command, startTimeoutMs } = this.#options;
    const probe = new ProbeProcess(command, startTimeoutMs, {
      idle: (ready) => this.#onIdle(ready),
      lost: (ended, error) => this.#onLost(ended, error),
    });
    this.#starting.add(probe);
  }

  /** How many are at work for so short a time that they are worth waiting for. */
  #quickOnes(): number {
    const now = performance.now();
    return [...this.#working].filter((probe) => {
      const passedMs = now - (probe.busySince ?? now);
      return passedMs < LATE_MS || (passedMs < LATE_RUNNING_MS && probe.isRunning);
    }).length;
  }

  #onIdle(probe: ProbeProcess): void {
    this.#starting.delete(probe);
    this.#working.delete(probe);
    if (this.#waiting.length > 0) this.#give(probe);
    else this.#keep(probe);
  }

  /** Keeps it, or the ones that are older, which have their memory and caches warm. */
  #keep(probe: ProbeProcess): void {
    this.#idle.push(probe);
    if (this.#idle.length <= MAX_IDLE) return;
    const newest = this.#idle.reduce((one, other) => (other.startedAt > one.startedAt ? other : one));
    this.#idle.splice(this.#idle.indexOf(newest), 1);
    newest.end();
  }

  #onLost(probe: ProbeProcess, error: string): void {
    this.#working.delete(probe);
    const place = this.#idle.indexOf(probe);
    if (place >= 0) this.#idle.splice(place, 1);
    const failedToStart = this.#starting.delete(probe);
    if (!failedToStart) this.#serve();
    // What keeps one from starting keeps the next one, too; the next check tries again.
    else if (this.#starting.size === 0 && this.#quickOnes() === 0) this.#refuseAll(error);
  }

  #onTimer(): void {
    this.#cancelTimer = undefined;
    const { startTimeoutMs } = this.#options;
    const now = performance.now();
    while (this.#waiting[0] !== undefined && now - this.#waiting[0].since > startTimeoutMs) {
      this.#waiting.shift()?.give(`no probe process was ready within ${startTimeoutMs} ms`);
    }
    this.#serve();
  }

  #refuseAll(error: string): void {
    for (const { give } of this.#waiting.splice(0)) give(error);
  }
}
