import type { MountConfig } from '../config/config.ts';
import type { FailureReason, MountFacts } from '../probe/protocol.ts';
import type { CheckOutcome } from './outcome.ts';
import { type HealthState, initialState, type MountStatus, reduce, type Transition } from './state.ts';

/** The upper bounds of the check duration histogram, in seconds. */
export const durationBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** How many of a mount's most recent checks are remembered. */
const historyLength = 60;

/** One remembered check: it passed, failed, or timed out. */
export type HistoryMark = 'p' | 'f' | 't';

export interface DurationHistogram {
  /** How many checks fell into the bucket with the bound of the same index; not cumulative. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumSeconds: number;
}

/** The complete state of one mount at one moment. */
export interface MountSnapshot {
  readonly config: MountConfig;
  readonly state: HealthState;
  /** When the mount entered its current status. */
  readonly since: Date;
  readonly lastCheck: Date | undefined;
  readonly lastSuccess: Date | undefined;
  /** The duration of the last check that reached the mount, in ms. */
  readonly lastDurationMs: number | undefined;
  readonly facts: MountFacts | undefined;
  /** The most recent checks, oldest first. */
  readonly history: string;
  readonly checks: ReadonlyMap<CheckSeries, number>;
  readonly transitions: ReadonlyMap<TransitionSeries, number>;
  readonly durations: DurationHistogram;
}

/** The result and, after a colon, the reason for a failure. */
export type CheckSeries = 'passed' | 'inconclusive' | `failed:${FailureReason}`;
/** The status before and after. */
export type TransitionSeries = `${MountStatus}:${MountStatus}`;

/** Keeps the record of one mount across its checks. */
export class MountRecord {
  #config: MountConfig;
  #state = initialState;
  #since: Date;
  #lastCheck: Date | undefined;
  #lastSuccess: Date | undefined;
  #lastDurationMs: number | undefined;
  #facts: MountFacts | undefined;
  #history = '';
  readonly #checks = new Map<CheckSeries, number>([['passed', 0]]);
  readonly #transitions = new Map<TransitionSeries, number>();
  readonly #durationCounts: number[] = durationBounds.map(() => 0);
  #durationCount = 0;
  #durationSum = 0;

  constructor(config: MountConfig, now: Date) {
    this.#config = config;
    this.#since = now;
  }

  get config(): MountConfig {
    return this.#config;
  }

  get state(): HealthState {
    return this.#state;
  }

  /** Applies new settings that do not change what the checks mean. */
  reconfigure(config: MountConfig): void {
    this.#config = config;
  }

  /** Records a finished check. A cancelled one is ignored, and an inconclusive one only counts as a check. */
  note(outcome: CheckOutcome, successThreshold: number, now: Date): Transition | undefined {
    if (outcome.kind === 'cancelled') return undefined;
    increment(this.#checks, outcome.kind === 'failed' ? (`failed:${outcome.reason}` as const) : outcome.kind);
    if (outcome.kind === 'inconclusive') return undefined;
    this.#lastCheck = now;
    if (outcome.kind === 'passed') this.#lastSuccess = now;
    if (outcome.mount !== undefined) this.#facts = outcome.mount;
    if (outcome.durationMs !== undefined) this.#noteDuration(outcome.durationMs);
    this.#history = (this.#history + mark(outcome)).slice(-historyLength);

    const verdict =
      outcome.kind === 'passed'
        ? ({ passed: true } as const)
        : ({ passed: false, reason: outcome.reason, error: outcome.error } as const);
    const { state, transition } = reduce(this.#state, verdict, {
      failure: this.#config.failureThreshold,
      success: successThreshold,
    });
    this.#state = state;
    if (transition !== undefined) {
      this.#since = now;
      increment(this.#transitions, `${transition.from}:${transition.to}` as const);
    }
    return transition;
  }

  snapshot(): MountSnapshot {
    return {
      config: this.#config,
      state: this.#state,
      since: this.#since,
      lastCheck: this.#lastCheck,
      lastSuccess: this.#lastSuccess,
      lastDurationMs: this.#lastDurationMs,
      facts: this.#facts,
      history: this.#history,
      checks: this.#checks,
      transitions: this.#transitions,
      durations: {
        counts: this.#durationCounts,
        count: this.#durationCount,
        sumSeconds: this.#durationSum,
      },
    };
  }

  #noteDuration(milliseconds: number): void {
    this.#lastDurationMs = milliseconds;
    const seconds = milliseconds / 1000;
    const bucket = durationBounds.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.#durationCounts[bucket] = (this.#durationCounts[bucket] ?? 0) + 1;
    this.#durationCount += 1;
    this.#durationSum += seconds;
  }
}

function increment<Key>(counters: Map<Key, number>, key: Key): void {
  counters.set(key, (counters.get(key) ?? 0) + 1);
}

function mark(outcome: Extract<CheckOutcome, { kind: 'passed' | 'failed' }>): HistoryMark {
  if (outcome.kind === 'passed') return 'p';
  return outcome.reason === 'hung' || outcome.reason === 'timeout' ? 't' : 'f';
}
