import type { MemoryUse } from './memory-limit.ts';
import type { ProbeCommand } from './probe-link.ts';
import { ProbeProcess } from './probe-process.ts';
import { after, type CancelTimer } from './timers.ts';

/** The maximum number of idle probes; each costs about 2 MB. */
const MAX_IDLE = 2;

/** The maximum number of probes starting up at once. It limits the burst of work when many checks coincide. */
const MAX_STARTING = 4;

/**
 * After how many ms a check counts as late, and nobody waits for its probe anymore. As long as the queue keeps moving,
 * checks wait in it, so that a busy machine does not start even more processes.
 */
const LATE_MS = 40;

/**
 * The same limit for a probe that is computing or waiting for a processor, instead of waiting for its mount. In that
 * case, more processes would not help.
 */
const LATE_RUNNING_MS = 200;

/** What the kernel charges for a probe that starts, in bytes. */
const PROBE_BYTES = 3 * 1024 * 1024;
/** What a probe must leave free, in bytes, since the monitor's clients need more from one moment to the next. */
const MIN_FREE_BYTES = 4 * 1024 * 1024;
/** The same for a probe besides others that are not given up: some is left for one that is needed more. */
const MIN_FREE_BESIDES_BYTES = 8 * 1024 * 1024;

export interface ProbePoolOptions {
  readonly command: ProbeCommand;
  /** Reads how much memory is left; without it, or if it returns undefined, there is always enough. */
  readonly memoryUse?: () => MemoryUse | undefined;
  /** How long a probe may take to start up, and the longest that a check waits for one, in ms. */
  readonly startTimeoutMs: number;
}

interface Waiter {
  readonly since: number;
  readonly give: (probe: ProbeProcess | string) => void;
}

/**
 * Keeps a few probes for the next checks. Checks of healthy mounts are quick and share a probe, one after another.
 * Nobody waits for a probe that is stuck on a mount, so hanging mounts delay others only for as long as it takes to
 * start another probe.
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

  /** Returns an idle probe, or a text that says why there is none. */
  take(): Promise<ProbeProcess | string> {
    const { promise, resolve } = Promise.withResolvers<ProbeProcess | string>();
    this.#waiting.push({ since: performance.now(), give: resolve });
    this.#serve();
    return promise;
  }

  /** Ends every probe and cancels its check; waits for none. */
  close(): void {
    this.#closed = true;
    for (const probe of [...this.#idle, ...this.#starting, ...this.#working]) probe.end();
    this.#refuseAll('the monitor is shutting down');
  }

  /**
   * Serves the waiting checks. One probe does them all as long as each takes only a moment, because waking up another
   * costs more than a check. If that one is late, the idle one takes over, and if all are late, more are started.
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
    const wanted = Math.min(enough, MAX_STARTING, this.#waiting.length);
    while (this.#starting.size < wanted && this.#shortage() === undefined) this.#start();
    this.#cancelTimer ??= after(LATE_MS, () => {
      // Go around the event loop once: if this process was held up, a verdict may be ready to read.
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

  /**
   * Says how much memory is used if that leaves too little for another probe. Beyond the limit, the kernel would kill
   * the monitor.
   */
  #shortage(): string | undefined {
    const memory = this.#options.memoryUse?.();
    if (memory === undefined) return undefined;
    const { used, limit } = memory;
    const isOnly = this.#idle.length + this.#working.size + this.#starting.size === 0;
    const free = limit - used - (this.#starting.size + 1) * PROBE_BYTES;
    if (free >= (isOnly ? MIN_FREE_BYTES : MIN_FREE_BESIDES_BYTES)) return undefined;
    return `${mebibytes(used)} of ${mebibytes(limit)} MiB of memory are used`;
  }

  /** How many probes have been busy for so short a time that they are worth waiting for. */
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

  /** Keeps this probe, or the older ones, whose memory and caches are warm. */
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
    // Whatever prevents one from starting also prevents the next one; the next check tries again.
    else if (this.#starting.size === 0 && this.#quickOnes() === 0) this.#refuseAll(error);
  }

  #onTimer(): void {
    this.#cancelTimer = undefined;
    const { startTimeoutMs } = this.#options;
    const now = performance.now();
    while (this.#waiting[0] !== undefined && now - this.#waiting[0].since > startTimeoutMs) {
      const shortage = this.#shortage();
      this.#waiting
        .shift()
        ?.give(
          shortage === undefined
            ? `no probe process was ready within ${startTimeoutMs} ms`
            : `no probe process was ready, and there is no memory for another one: ${shortage}`,
        );
    }
    this.#serve();
  }

  #refuseAll(error: string): void {
    for (const { give } of this.#waiting.splice(0)) give(error);
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}
