/**
 * What the watchdog does once a mount stays unhealthy: delete the pod, request its eviction, exit this process with a
 * distinct code, or only report.
 */
export type WatchdogMode = 'delete' | 'evict' | 'exit' | 'notify';

/** At most `restarts` restarts within any `windowMs` milliseconds, counted across the pod's successors. */
export interface RestartBudget {
  readonly restarts: number;
  readonly windowMs: number;
}

/** The watchdog's settings: parsed, validated, with all times in milliseconds. */
export interface WatchdogConfig {
  readonly enabled: boolean;
  /** How long a mount must stay unhealthy before the restart. */
  readonly restartDelayMs: number;
  /** Retries of a failing delete before giving up. */
  readonly maxRetries: number;
  readonly retryBackoffInitialMs: number;
  readonly retryBackoffMaxMs: number;
  readonly mode: WatchdogMode;
  readonly budget: RestartBudget | undefined;
}
