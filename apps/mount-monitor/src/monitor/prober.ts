import { type ProbeRequest, placeOf } from '../probe/protocol.ts';
import { collectGarbage } from '../runtime.ts';
import { LeftProbe } from './left-probe.ts';
import type { MemoryUse } from './memory-limit.ts';
import type { CheckOutcome } from './outcome.ts';
import type { Predecessors } from './predecessors.ts';
import type { ProbeCommand } from './probe-link.ts';
import { ProbePool } from './probe-pool.ts';

export interface ProberOptions {
  readonly command: ProbeCommand;
  /** How long a probe may take to start working, in ms; the time limit for the mount starts after that. */
  readonly startTimeoutMs?: number;
  /** Reads how much memory is left, if there is a limit. */
  readonly memoryUse?: () => MemoryUse | undefined;
  /** Probes of other processes; while one hangs on a mount, no probe is started for it. */
  readonly predecessors?: Pick<Predecessors, 'holds' | 'look'>;
}

/**
 * The interval between two garbage collections, in checks and in ms, and the most checks between them, each of which
 * leaves 1 KB: left alone, Bun lets garbage grow to several times the memory in use. A collection takes 4 ms, as much as
 * a hundred checks.
 */
const collection = { checks: 32, ms: 30_000, mostChecks: 1000 } as const;

/**
 * Runs checks in separate processes, at most one at a time per mount. A probe that misses its deadline is killed and
 * left behind. Until it exits (a process in an uninterruptible wait does not), checks of that mount fail immediately as
 * `hung`, and no further process is started for it. The same applies to probes left behind by other monitors.
 */
export class Prober {
  readonly #pool: ProbePool;
  readonly #startTimeoutMs: number;
  readonly #predecessors: ProberOptions['predecessors'];
  readonly #running = new Map<string, Promise<CheckOutcome>>();
  readonly #left = new Map<string, LeftProbe>();
  #closed = false;
  #checks = 0;
  #collectedAt = performance.now();

  constructor({ command, startTimeoutMs = 15_000, memoryUse, predecessors }: ProberOptions) {
    this.#startTimeoutMs = startTimeoutMs;
    this.#predecessors = predecessors;
    this.#pool = new ProbePool({
      command,
      startTimeoutMs,
      ...(memoryUse === undefined ? {} : { memoryUse }),
    });
  }

  /** How many killed probes hang in the kernel. */
  get hungCount(): number {
    let count = 0;
    for (const { hung } of this.#left.values()) if (hung) count += 1;
    return count;
  }

  /** Whether a killed probe of the same mount hangs in the kernel, from this process or an earlier one. */
  isHung(request: ProbeRequest): boolean {
    return this.#isHungHere(request) || this.#predecessors?.holds(request) === true;
  }

  /**
   * Checks once, after any check in progress on the same mount; settles within the start timeout and `timeoutMs` no
   * matter what the mount does. Never rejects.
   */
  async check(request: ProbeRequest, timeoutMs: number): Promise<CheckOutcome> {
    const place = placeOf(request);
    if (await this.#predecessors?.look(request)) return hung(request, 'an earlier run');
    for (;;) {
      if (this.#closed) return { kind: 'cancelled' };
      const before = this.#running.get(place) ?? this.#left.get(place)?.decided;
      if (before === undefined) break;
      await before;
      if (this.#isHungHere(request)) return hung(request, 'an earlier check');
    }
    const outcome = this.#ask(place, request, timeoutMs);
    this.#running.set(place, outcome);
    await outcome;
    this.#running.delete(place);
    this.#collect();
    return outcome;
  }

  /** Kills running probes and rejects new checks; does not wait for any process to exit. */
  close(): void {
    this.#closed = true;
    this.#pool.close();
  }

  #isHungHere(request: ProbeRequest): boolean {
    return this.#left.get(placeOf(request))?.hung === true;
  }

  async #ask(place: string, request: ProbeRequest, workMs: number): Promise<CheckOutcome> {
    const probe = await this.#pool.take();
    if (this.#closed) return { kind: 'cancelled' };
    if (typeof probe === 'string') return { kind: 'inconclusive', error: probe };
    const outcome = await probe.check(request, { startMs: this.#startTimeoutMs, workMs });
    if (probe.isLost && !probe.isGone) this.#leaveBehind(place, new LeftProbe(probe));
    return outcome;
  }

  #collect(): void {
    this.#checks += 1;
    const now = performance.now();
    const isDue = this.#checks >= collection.checks && now - this.#collectedAt >= collection.ms;
    if (!isDue && this.#checks < collection.mostChecks) return;
    this.#checks = 0;
    this.#collectedAt = now;
    collectGarbage();
  }

  #leaveBehind(place: string, left: LeftProbe): void {
    this.#left.set(place, left);
    void left.gone.then(() => this.#left.delete(place));
  }
}

/** The outcome of a check that is skipped because a probe of the same mount hangs. */
function hung({ path }: ProbeRequest, origin: string): CheckOutcome {
  return {
    kind: 'failed',
    reason: 'hung',
    error: `${path}: the probe of ${origin} still hangs in the kernel`,
    durationMs: undefined,
    mount: undefined,
  };
}
