import type { ProbeBegin, ProbeReady, ProbeRequest, ProbeVerdict } from '../probe/protocol.ts';
import { textOf } from './kernel-file.ts';
import type { CheckOutcome } from './outcome.ts';
import { link, type ProbeCommand, type ProbeLink } from './probe-link.ts';
import { after, type CancelTimer } from './timers.ts';

/** How long a probe may take to start working, and then to check the mount, in ms. */
export interface ProbeLimits {
  readonly startMs: number;
  readonly workMs: number;
}

/** The longest line that is read from a probe, in bytes. */
const MAX_LINE = 64 * 1024;

const lineEnd = 10;
const nothing = Buffer.alloc(0);

interface Task {
  readonly path: string;
  readonly limits: ProbeLimits;
  readonly startedAt: number;
  readonly settle: (outcome: CheckOutcome) => void;
  begin: ProbeBegin | undefined;
  beganAt: number;
}

/** Events for the probe's owner. */
export interface ProbeEvents {
  /** The probe waits for a request: once after its start, and after each check that did not end it. */
  readonly idle: (probe: ProbeProcess) => void;
  /** The probe accepts no more requests, whether or not its process has exited. Occurs once. */
  readonly lost: (probe: ProbeProcess, error: string) => void;
}

/** One probe process. It checks one mount at a time and is killed if a check misses its deadline. */
export class ProbeProcess {
  readonly #events: ProbeEvents;
  /** Settles once the process has exited, or if it could not be started. */
  readonly gone: Promise<void>;
  readonly #setGone: () => void;
  #isGone = false;
  #link: ProbeLink | undefined;
  #channelEnded = false;
  /** The beginning of an incomplete line. */
  #unread: Buffer = nothing;
  #ready = false;
  #lost = false;
  #ending = '';
  #task: Task | undefined;
  /** In ms of the monotonic clock. */
  readonly startedAt = performance.now();
  #startTimeoutMs = 0;
  #cancelTimer: CancelTimer | undefined;
  #timerDueAt = 0;

  constructor(command: ProbeCommand, startTimeoutMs: number, events: ProbeEvents) {
    this.#events = events;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#setGone = () => {
      this.#isGone = true;
      resolve();
    };
    try {
      this.#link = link(command, {
        data: (bytes) => this.#read(bytes),
        closed: () => {
          this.#channelEnded = true;
          this.#loseAtEnd();
        },
        exited: (ending) => {
          this.#setGone();
          this.#ending = ending;
          this.#loseAtEnd();
        },
        failed: (error) => {
          this.#setGone();
          this.#lose(couldNotStart(error));
        },
      });
    } catch (error) {
      this.#setGone();
      queueMicrotask(() => this.#lose(couldNotStart(error)));
      return;
    }
    this.#startTimeoutMs = startTimeoutMs;
    this.#wakeAt(performance.now() + startTimeoutMs);
  }

  /** When the current check started, in ms of the monotonic clock; undefined while idle. */
  get busySince(): number | undefined {
    return this.#task?.startedAt;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether it no longer accepts requests. */
  get isLost(): boolean {
    return this.#lost;
  }

  /** Whether the process is in an uninterruptible wait, in which a kill has no effect. */
  get waitsInKernel(): boolean {
    return !this.#isGone && stateOf(this.#link?.pid) === 'D';
  }

  /** Whether the process is computing or waiting for a processor. */
  get isRunning(): boolean {
    return !this.#isGone && stateOf(this.#link?.pid) === 'R';
  }

  /** Checks once; settles within the limits no matter what the mount does. Never rejects. */
  check(request: ProbeRequest, limits: ProbeLimits): Promise<CheckOutcome> {
    const { promise, resolve } = Promise.withResolvers<CheckOutcome>();
    this.#task = {
      path: request.path,
      limits,
      startedAt: performance.now(),
      settle: resolve,
      begin: undefined,
      beganAt: 0,
    };
    this.#link?.send(Buffer.from(`${JSON.stringify(request)}\n`));
    this.#wakeAt(this.#task.startedAt + limits.workMs);
    return promise;
  }

  /** Kills the process, cancels a check in progress, and releases everything except the wait for the process's exit. */
  end(): void {
    this.#lost = true;
    this.#settle({ kind: 'cancelled' });
    this.#kill();
  }

  #kill(): void {
    this.#cancelTimer?.();
    this.#link?.end();
  }

  #lose(error: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#settle({ kind: 'inconclusive', error });
    this.#kill();
    this.#events.lost(this, error);
  }

  /** The process's exit may be noticed before its output has been read. */
  #loseAtEnd(): void {
    if (!this.#isGone || !this.#channelEnded) return;
    this.#lose(`the probe process ${this.#ending} without a verdict`);
  }

  #settle(outcome: CheckOutcome): void {
    const task = this.#task;
    this.#task = undefined;
    task?.settle(outcome);
  }

  #read(bytes: Buffer): void {
    if (this.#lost) return;
    let rest = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    for (let at = rest.indexOf(lineEnd); at >= 0; at = rest.indexOf(lineEnd)) {
      const line = rest.toString('utf8', 0, at);
      rest = rest.subarray(at + 1);
      if (!this.#take(parseLine(line))) {
        this.#refuse();
        return;
      }
    }
    this.#unread = rest.length === 0 ? nothing : rest;
    if (rest.length > MAX_LINE) this.#refuse();
  }

  /** Whether this line is allowed at this point. */
  #take(line: Partial<ProbeReady & ProbeBegin & ProbeVerdict> | undefined): boolean {
    const task = this.#task;
    if (!this.#ready) {
      if (line?.ready !== true) return false;
      this.#ready = true;
      this.#events.idle(this);
      return true;
    }
    if (line === undefined || task === undefined) return false;
    if (task.begin === undefined) {
      if (line.begin !== true) return false;
      task.begin = line as ProbeBegin;
      task.beganAt = performance.now();
      return true;
    }
    if (line.passed === undefined) return false;
    this.#settle(outcomeOf(line as ProbeVerdict, task.begin));
    if (line.last === true) this.#lose('the probe process has reached its limit');
    else this.#events.idle(this);
    return true;
  }

  #refuse(): void {
    this.#lose('the probe process sent invalid output and was killed without a verdict');
  }

  /**
   * Has the deadline checked by this time. A timer stays set when a check ends, because most checks end right away and
   * Bun wakes up even for a timer that was cleared.
   */
  #wakeAt(moment: number): void {
    if (this.#cancelTimer !== undefined) {
      if (this.#timerDueAt <= moment) return;
      this.#cancelTimer();
    }
    this.#timerDueAt = moment;
    this.#cancelTimer = after(Math.ceil(moment - performance.now()), () => {
      this.#cancelTimer = undefined;
      // Go around the event loop once: if this process was held up, the verdict may be ready to read.
      setImmediate(() => this.#lookAtDeadline());
    });
  }

  #lookAtDeadline(): void {
    const task = this.#task;
    const now = performance.now();
    if (this.#lost || (this.#ready && task === undefined)) return;
    const dueAt = task === undefined ? this.startedAt + this.#startTimeoutMs : dueAtOf(task);
    if (now < dueAt) {
      this.#wakeAt(dueAt);
    } else if (task?.begin === undefined) {
      this.#lose(`the probe process was not ready within ${task?.limits.startMs ?? this.#startTimeoutMs} ms`);
    } else {
      this.#settle(timedOut(task, task.begin, now));
      this.#lose('the probe process missed its deadline');
    }
  }
}

function dueAtOf({ begin, beganAt, startedAt, limits }: Task): number {
  return begin === undefined ? startedAt + limits.startMs : beganAt + limits.workMs;
}

function timedOut({ path, limits, beganAt }: Task, { mount }: ProbeBegin, now: number): CheckOutcome {
  return {
    kind: 'failed',
    reason: 'timeout',
    error: `${path}: no answer within ${limits.workMs} ms`,
    durationMs: now - beganAt,
    mount,
  };
}

function outcomeOf(verdict: ProbeVerdict, { mount }: ProbeBegin): CheckOutcome {
  const { durationMs } = verdict;
  return verdict.passed
    ? { kind: 'passed', durationMs, mount }
    : { kind: 'failed', durationMs, mount, reason: verdict.reason, error: verdict.error };
}

function parseLine(line: string): Partial<ProbeReady & ProbeBegin & ProbeVerdict> | undefined {
  try {
    return JSON.parse(line) as Partial<ProbeReady & ProbeBegin & ProbeVerdict>;
  } catch {
    return undefined;
  }
}

/**
 * A process's state letter (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html); the kernel answers from
 * memory.
 */
function stateOf(pid: number | undefined): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat?.charAt(stat.lastIndexOf(')') + 2);
}

function couldNotStart(error: unknown): string {
  return `the probe process could not be started: ${error instanceof Error ? error.message : String(error)}`;
}
