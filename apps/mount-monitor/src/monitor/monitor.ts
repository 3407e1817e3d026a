import type { MonitorConfig, MountConfig } from '../config/config.ts';
import { formatDuration } from '../config/duration.ts';
import type { Logger } from '../log.ts';
import { Moments } from './moments.ts';
import { MountRecord, type MountSnapshot } from './mount-record.ts';
import type { CheckOutcome } from './outcome.ts';
import type { Prober } from './prober.ts';
import { after, type CancelTimer } from './timers.ts';

/** A loop that completes no check for this many intervals counts as stalled. */
const stallIntervals = 3;

/** The part of {@link Prober} that the monitor needs. */
export type Checker = Pick<Prober, 'check' | 'isHung' | 'hungCount' | 'close'>;

export interface MonitorOptions {
  readonly prober: Checker;
  readonly log: Logger;
  /** Called when a mount becomes unhealthy or stops being so, and on reconfiguration. */
  readonly onUnhealthyChange?: (unhealthy: readonly MountSnapshot[]) => void;
  /** Returns a number from 0 to 1, for the jitter. */
  readonly random?: () => number;
}

type Settings = Pick<MonitorConfig, 'mounts' | 'checkIntervalMs' | 'readTimeoutMs' | 'successThreshold'>;

/** Checks every mount on its own schedule; no mount waits for another. */
export class Monitor {
  readonly #options: Required<MonitorOptions>;
  #settings: Settings;
  readonly #moments = new Moments();
  #watches: readonly MountWatch[] = [];
  #revision = 0;

  constructor(settings: Settings, options: MonitorOptions) {
    this.#options = { onUnhealthyChange: () => undefined, random: Math.random, ...options };
    this.#settings = settings;
  }

  /** Changes whenever anything in a snapshot does. */
  get revision(): number {
    return this.#revision;
  }

  /** How many killed probes hang in the kernel. */
  get hungProbes(): number {
    return this.#options.prober.hungCount;
  }

  /** Starts the first check of every mount immediately. */
  start(): void {
    this.apply(this.#settings);
  }

  /**
   * Applies new settings. A mount whose check is unchanged keeps its state and its schedule; every other one starts as
   * unknown and is checked immediately.
   */
  apply(settings: Settings): void {
    this.#settings = settings;
    // Comparing thousands of mounts pairwise would be too slow. Identical ones are matched in order.
    const previous = new Map<string, MountWatch[]>();
    for (const watch of this.#watches.toReversed()) {
      const key = checkKeyOf(watch.record.config);
      const same = previous.get(key);
      if (same === undefined) previous.set(key, [watch]);
      else same.push(watch);
    }
    this.#watches = settings.mounts.map((mount) => {
      const kept = previous.get(checkKeyOf(mount))?.pop();
      if (kept === undefined) return this.#watch(mount);
      kept.record.reconfigure(mount);
      kept.reschedule();
      return kept;
    });
    for (const dropped of [...previous.values()].flat()) dropped.stop();
    this.#revision += 1;
    this.#tellUnhealthy();
  }

  /** The state of every mount, in the configuration's order. */
  snapshot(): readonly MountSnapshot[] {
    return this.#watches.map(({ record }) => record.snapshot());
  }

  isHung(mount: MountConfig): boolean {
    return this.#options.prober.isHung(requestOf(mount));
  }

  /** The mounts whose checks have not completed for three intervals. */
  stalled(): readonly MountConfig[] {
    const limit = stallIntervals * this.#settings.checkIntervalMs;
    const now = performance.now();
    return this.#watches
      .filter((watch) => now - watch.completedAt > limit)
      .map(({ record }) => record.config);
  }

  /** Stops all checks without waiting for any. */
  close(): void {
    for (const watch of this.#watches) watch.stop();
    this.#options.prober.close();
  }

  #watch(mount: MountConfig): MountWatch {
    const record = new MountRecord(mount, new Date());
    const watch = new MountWatch(record, {
      check: () => this.#options.prober.check(requestOf(record.config), this.#settings.readTimeoutMs),
      ended: (outcome) => this.#note(record, outcome),
      plan: (startedAt) => this.#plan(record, startedAt),
      release: (moment) => this.#moments.release(moment),
    });
    watch.begin();
    return watch;
  }

  #plan({ state }: MountRecord, startedAt: number): number {
    return this.#moments.plan({
      startedAt,
      intervalMs: this.#settings.checkIntervalMs,
      mounts: this.#settings.mounts.length,
      shares: state.status === 'healthy',
      random: this.#options.random(),
    });
  }

  #note(record: MountRecord, outcome: CheckOutcome): void {
    const transition = record.note(outcome, this.#settings.successThreshold, new Date());
    this.#revision += 1;
    const { log } = this.#options;
    const { config, state } = record;
    const subject = { name: config.name, path: config.path };
    if (outcome.kind === 'inconclusive') {
      log.error('health check inconclusive', { ...subject, status: state.status, error: outcome.error });
    } else if (outcome.kind === 'passed') {
      log.debug('health check passed', {
        ...subject,
        success: true,
        status: state.status,
        ...durationFields(outcome.durationMs),
      });
    } else if (outcome.kind === 'failed') {
      log.warn('health check failed', {
        ...subject,
        success: false,
        status: state.status,
        reason: outcome.reason,
        error: outcome.error,
        failure_count: state.failures,
        failure_threshold: config.failureThreshold,
        ...durationFields(outcome.durationMs),
      });
    }
    if (transition === undefined) return;
    log.info('mount state changed', {
      ...subject,
      previous_state: transition.from,
      new_state: transition.to,
      trigger: transition.trigger,
      ...(state.failure === undefined ? {} : { reason: state.failure.reason }),
    });
    if (transition.from === 'unhealthy' || transition.to === 'unhealthy') this.#tellUnhealthy();
  }

  #tellUnhealthy(): void {
    this.#options.onUnhealthyChange(this.snapshot().filter(({ state }) => state.status === 'unhealthy'));
  }
}

interface WatchCalls {
  readonly check: () => Promise<CheckOutcome>;
  readonly ended: (outcome: CheckOutcome) => void;
  /** When the check after the one that started at the given time is due; both in ms of the monotonic clock. */
  readonly plan: (startedAt: number) => number;
  /** Cancels a plan, or marks its check as started. */
  readonly release: (moment: number) => void;
}

/** One mount's schedule: the next check starts one interval after the last one's start, and never before its end. */
class MountWatch {
  readonly record: MountRecord;
  readonly #calls: WatchCalls;
  #stopped = false;
  #startedAt = 0;
  #plannedAt: number | undefined;
  #cancelTimer: CancelTimer | undefined;
  #completedAt = performance.now();

  constructor(record: MountRecord, calls: WatchCalls) {
    this.record = record;
    this.#calls = calls;
  }

  /** When a check last said something about the mount, or else the watch began, in ms of the monotonic clock. */
  get completedAt(): number {
    return this.#completedAt;
  }

  begin(): void {
    this.#release();
    this.#startedAt = performance.now();
    this.#calls.check().then((outcome) => {
      if (this.#stopped) return;
      if (outcome.kind !== 'inconclusive') this.#completedAt = performance.now();
      this.#calls.ended(outcome);
      if (!this.#stopped) this.#schedule();
    });
  }

  /** Adapts a pending check to a changed interval. */
  reschedule(): void {
    this.#completedAt = performance.now();
    if (this.#plannedAt === undefined) return;
    this.#release();
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#release();
  }

  #release(): void {
    this.#cancelTimer?.();
    if (this.#plannedAt !== undefined) this.#calls.release(this.#plannedAt);
    this.#plannedAt = undefined;
  }

  #schedule(): void {
    this.#plannedAt = this.#calls.plan(this.#startedAt);
    this.#cancelTimer = after(this.#plannedAt - performance.now(), () => this.begin());
  }
}

/** Two settings with the same key can share one mount's state. */
function checkKeyOf(mount: MountConfig): string {
  return JSON.stringify(requestOf(mount));
}

/** The probe's request for a mount. */
export function requestOf({
  absolutePath,
  checkType,
  canaryFile,
  canaryContent,
  minEntries,
  fsType,
  writable,
}: MountConfig) {
  return { path: absolutePath, checkType, canaryFile, canaryContent, minEntries, fsType, writable };
}

/** `duration` has the format of the Go program's log. */
function durationFields(milliseconds: number | undefined) {
  if (milliseconds === undefined) return {};
  const rounded = Math.round(milliseconds * 1000) / 1000;
  return { duration: formatDuration(rounded), duration_ms: rounded };
}
