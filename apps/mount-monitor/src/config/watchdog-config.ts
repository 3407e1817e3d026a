/**
 * What the watchdog does once a mount stays unhealthy: delete the pod, ask for its eviction, end this
 * process with a code of its own, or only report.
 */
export type WatchdogMode = 'delete' | 'evict' | 'exit' | 'notify';

/** At most `restarts` restarts within any `windowMs` milliseconds, counted over the pod's successors. */
export interface RestartBudget {
  readonly restarts: number;
  readonly windowMs: number;
}

/** The watchdog's settings, parsed and checked; all times in milliseconds. */
export interface WatchdogConfig {
  readonly enabled: boolean;
  /** How long a mount must stay unhealthy before the restart is carried out. */
  readonly restartDelayMs: number;
  /** Attempts after the first before a failing delete is given up. */
  readonly maxRetries: number;
  readonly retryBackoffInitialMs: number;
  readonly retryBackoffMaxMs: number;
  readonly mode: WatchdogMode;
  readonly budget: RestartBudget | undefined;
}
