import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import {
  type FailureReason,
  type MountFacts,
  type ProbeBegin,
  type ProbeRequest,
  type ProbeVerdict,
  probeOutput,
} from '../probe/protocol.ts';
import { collectGarbage } from '../runtime.ts';
import { StartGate } from './start-gate.ts';
import { after, type CancelTimer } from './timers.ts';

/** How one check ended. Only `passed` and `failed` say anything about the mount. */
export type CheckOutcome =
  | { readonly kind: 'passed'; readonly durationMs: number; readonly mount: MountFacts | undefined }
  | {
      readonly kind: 'failed';
      readonly reason: FailureReason;
      readonly error: string;
      /** Undefined where no probe was started. */
      readonly durationMs: number | undefined;
      readonly mount: MountFacts | undefined;
    }
  /** The probe itself could not work, so nothing is known of the mount. */
  | { readonly kind: 'inconclusive'; readonly error: string }
  /** The monitor is going away. */
  | { readonly kind: 'cancelled' };

/** The program and the arguments that precede a request. */
export interface ProbeCommand {
  readonly file: string;
  readonly args: readonly string[];
}

export interface ProberOptions {
  readonly command: ProbeCommand;
  /** How long a probe may take to get to work, in ms; the time on the mount is counted from there. */
  readonly startTimeoutMs?: number;
  /** How many probes may be getting to work at a time. */
  readonly startsAtOnce?: number;
}

/** The longest output of a probe that is read, in characters. */
const maxOutput = 64 * 1024;

/**
 * Nothing from outside may change what a probe does. Compiling is off: a probe is over before it pays, and the
 * threads for it are a sixth of a check's cost and of a hung probe's memory.
 */
const probeEnvironment = { BUN_JSC_useJIT: '0' };

/** Checks between two collections of garbage: left alone, Bun lets it grow to several times what is in use. */
const checksBetweenCollections = 32;

/**
 * Runs checks in processes of their own, at most one a mount. A probe that misses its deadline is killed and
 * left behind: as long as it has not ended (a process in an uninterruptible wait does not), checks of that mount
 * fail at once as `hung` and no further process is started for it.
 */
export class Prober {
  readonly #command: ProbeCommand;
  readonly #startTimeoutMs: number;
  readonly #gate: StartGate;
  readonly #running = new Map<string, Run>();
  readonly #stuck = new Map<string, ChildProcess>();
  #closed = false;
  #checks = 0;

  constructor({ command, startTimeoutMs = 15_000, startsAtOnce = 4 }: ProberOptions) {
    this.#command = command;
    this.#startTimeoutMs = startTimeoutMs;
    this.#gate = new StartGate(startsAtOnce);
  }

  /** How many killed probes have not ended yet. */
  get hungCount(): number {
    return this.#stuck.size;
  }

  /** Whether a killed probe of the same mount has not ended yet. */
  isHung(request: ProbeRequest): boolean {
    return this.#stuck.has(placeOf(request));
  }

  /** Checks once; settles within the start timeout and `timeoutMs`, whatever the mount does. Never rejects. */
  async check(request: ProbeRequest, timeoutMs: number): Promise<CheckOutcome> {
    const place = placeOf(request);
    for (;;) {
      const refused = this.#refuse(request);
      if (refused !== undefined) return refused;
      const running = this.#running.get(place);
      if (running === undefined) break;
      await running.outcome;
    }
    const run = new Run(request);
    this.#running.set(place, run);
    const release = await this.#gate.enter();
    run.start(this.#command, this.#startTimeoutMs, timeoutMs, release);
    const outcome = await run.outcome;
    run.abandon();
    this.#running.delete(place);
    if (run.child !== undefined && !run.ended) this.#leaveBehind(place, run.child);
    this.#checks += 1;
    if (this.#checks % checksBetweenCollections === 0) collectGarbage();
    return outcome;
  }

  /** Kills what runs and refuses what comes; does not wait for any process to end. */
  close(): void {
    this.#closed = true;
    for (const run of this.#running.values()) run.cancel();
  }

  #refuse(request: ProbeRequest): CheckOutcome | undefined {
    if (this.#closed) return { kind: 'cancelled' };
    if (!this.isHung(request)) return undefined;
    return {
      kind: 'failed',
      reason: 'hung',
      error: `${request.path}: the probe of an earlier check still hangs in the kernel`,
      durationMs: undefined,
      mount: undefined,
    };
  }

  #leaveBehind(place: string, child: ChildProcess): void {
    this.#stuck.set(place, child);
    child.once('exit', () => this.#stuck.delete(place));
    child.unref();
  }
}

/**
 * What at most one probe may run or hang for: a mount. A look at the mount table does not touch the mount, so a
 * hung probe of the same path does not keep it from running.
 */
function placeOf({ path, checkType }: ProbeRequest): string {
  return checkType === 'mountpoint' ? `table:${path}` : path;
}

interface ProbeExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One probe process, from its start to its verdict or its deadline. */
class Run {
  readonly outcome: Promise<CheckOutcome>;
  child: ChildProcess | undefined;
  ended = false;
  readonly #request: ProbeRequest;
  readonly #settle: (outcome: CheckOutcome) => void;
  #settled = false;
  #stream: Readable | undefined;
  #streamEnded = false;
  #exit: ProbeExit | undefined;
  #release: () => void = () => undefined;
  #output = '';
  #begin: ProbeBegin | undefined;
  #beganAt = 0;
  #cancelTimer: CancelTimer = () => undefined;
  #timeoutMs = 0;

  constructor(request: ProbeRequest) {
    this.#request = request;
    const { promise, resolve } = Promise.withResolvers<CheckOutcome>();
    this.outcome = promise;
    this.#settle = (outcome) => {
      this.#settled = true;
      resolve(outcome);
    };
  }

  start(command: ProbeCommand, startTimeoutMs: number, timeoutMs: number, release: () => void): void {
    this.#release = release;
    this.#timeoutMs = timeoutMs;
    if (this.#settled) return;
    try {
      this.child = spawn(command.file, [...command.args, JSON.stringify(this.#request)], {
        env: probeEnvironment,
        cwd: '/',
        // Not stdout: Bun reads that into a buffer of 64 KiB a process, and this one into memory that it reuses.
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      });
    } catch (error) {
      this.#settle({ kind: 'inconclusive', error: couldNotStart(error) });
      return;
    }
    this.child.once('error', (error) => {
      this.ended = this.child?.pid === undefined;
      this.#settle({ kind: 'inconclusive', error: couldNotStart(error) });
    });
    this.child.once('exit', (code, signal) => {
      this.ended = true;
      this.#exit = { code, signal };
      this.#settleAtEnd();
    });
    const stream = this.child.stdio[probeOutput];
    // There is none where the process could not be started.
    if (stream) this.#readFrom(stream as Readable);
    this.#cancelTimer = after(startTimeoutMs, () =>
      this.#settle({
        kind: 'inconclusive',
        error: `the probe process did not get to work within ${startTimeoutMs} ms`,
      }),
    );
  }

  /** Kills what may still run and lets go of everything but the process itself. */
  abandon(): void {
    this.#cancelTimer();
    this.#release();
    if (!this.ended) this.child?.kill('SIGKILL');
    this.#stream?.destroy();
  }

  cancel(): void {
    this.#settle({ kind: 'cancelled' });
  }

  #readFrom(stream: Readable): void {
    this.#stream = stream;
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => this.#read(text));
    stream.on('error', () => undefined);
    stream.once('end', () => {
      this.#streamEnded = true;
      this.#settleAtEnd();
    });
  }

  /** The process may be seen to end before its output has been read. */
  #settleAtEnd(): void {
    const complete = this.#streamEnded || this.#output.split('\n').length > 2;
    if (this.#exit !== undefined && complete) this.#settle(this.#verdict(this.#exit));
  }

  #read(text: string): void {
    this.#output = (this.#output + text).slice(0, maxOutput);
    this.#noteBegin();
    this.#settleAtEnd();
  }

  #noteBegin(): void {
    const lineEnd = this.#output.indexOf('\n');
    if (this.#begin !== undefined || lineEnd < 0) return;
    this.#begin = parseLine<ProbeBegin>(this.#output.slice(0, lineEnd));
    this.#beganAt = performance.now();
    this.#release();
    this.#cancelTimer();
    // Once around the event loop first: if this process was held up, the verdict may be waiting to be read.
    this.#cancelTimer = after(this.#timeoutMs, () => setImmediate(() => this.#settle(this.#timedOut())));
  }

  #timedOut(): CheckOutcome {
    return {
      kind: 'failed',
      reason: 'timeout',
      error: `${this.#request.path}: no answer within ${this.#timeoutMs} ms`,
      durationMs: performance.now() - this.#beganAt,
      mount: this.#begin?.mount,
    };
  }

  #verdict({ code, signal }: ProbeExit): CheckOutcome {
    const verdict = parseLine<ProbeVerdict>(this.#output.split('\n')[1] ?? '');
    if (code === 0 && verdict !== undefined) {
      const { durationMs } = verdict;
      const mount = this.#begin?.mount;
      return verdict.passed
        ? { kind: 'passed', durationMs, mount }
        : { kind: 'failed', durationMs, mount, reason: verdict.reason, error: verdict.error };
    }
    const ending = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
    return { kind: 'inconclusive', error: `the probe process ${ending} without a verdict` };
  }
}

function parseLine<Line>(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
}

function couldNotStart(error: unknown): string {
  return `the probe process could not be started: ${error instanceof Error ? error.message : String(error)}`;
}
