import { type ProbeRequest, placeOf } from '../probe/protocol.ts';
import { collectGarbage } from '../runtime.ts';
import { LeftProbe } from './left-probe.ts';
import type { CheckOutcome } from './outcome.ts';
import type { Predecessors } from './predecessors.ts';
import type { ProbeCommand } from './probe-link.ts';
import { ProbePool } from './probe-pool.ts';

export interface ProberOptions {
  readonly command: ProbeCommand;
  /** How long a probe may take to get to work, in ms; the time on the mount is counted from there. */
  readonly startTimeoutMs?: number;
  /** Probes of other processes, beside which none is started for the same mount. */
  readonly predecessors?: Pick<Predecessors, 'holds' | 'look'>;
}

/**
 * Between two collections of garbage, in checks and in ms: left alone, Bun lets it grow to several times what is in use. One
 * takes 4 ms, as much as a hundred checks.
 */
const collection = { checks: 32, ms: 30_000 } as const;

/**
 * Runs checks in processes of their own, at most one at a time for each mount. A probe that misses its deadline is killed
 * and left behind: as long as it has not ended (a process in an uninterruptible wait does not), checks of that mount
 * fail at once as `hung` and no further process is started for it. The same holds for what other monitors left.
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

  constructor({ command, startTimeoutMs = 15_000, predecessors }: ProberOptions) {
    this.#startTimeoutMs = startTimeoutMs;
    this.#predecessors = predecessors;
    this.#pool = new ProbePool({ command, startTimeoutMs });
  }

  /** How many killed probes hang in the kernel. */
  get hungCount(): number {
    let count = 0;
    for (const { hung } of this.#left.values()) if (hung) count += 1;
    return count;
  }

  /** Whether a killed probe of the same mount hangs in the kernel, of this process or of one before it. */
  isHung(request: ProbeRequest): boolean {
    return this.#isHungHere(request) || this.#predecessors?.holds(request) === true;
  }

  /**
   * Checks once, after what is under way for the same mount; settles within the start timeout and `timeoutMs`, whatever
   * the mount does. Never rejects.
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

  /** Kills what runs and refuses what comes; does not wait for any process to end. */
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
    if (this.#checks < collection.checks || now - this.#collectedAt < collection.ms) return;
    this.#checks = 0;
    this.#collectedAt = now;
    collectGarbage();
  }

  #leaveBehind(place: string, left: LeftProbe): void {
    this.#left.set(place, left);
    void left.gone.then(() => this.#left.delete(place));
  }
}

/** The outcome of a check that is not made, since a probe of the same mount hangs. */
function hung({ path }: ProbeRequest, origin: string): CheckOutcome {
  return {
    kind: 'failed',
    reason: 'hung',
    error: `${path}: the probe of ${origin} still hangs in the kernel`,
    durationMs: undefined,
    mount: undefined,
  };
}
