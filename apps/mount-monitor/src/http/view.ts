import type { MonitorConfig } from '../config/config.ts';
import type { MountSnapshot } from '../monitor/mount-record.ts';
import type { ConnectionCounts } from './connections.ts';

/** What the metrics show of the server. */
export interface HttpCounts extends ConnectionCounts {
  /** Answers by status. */
  readonly answers: ReadonlyMap<number, number>;
}

/** What the endpoints show; read afresh for each request. */
export interface View {
  readonly version: string;
  readonly startedAt: Date;
  /** Whether the process is on its way out. */
  draining(): boolean;
  config(): MonitorConfig;
  /** Changes with everything that this view shows, but for the time and the counts of the server itself. */
  revision(): string;
  mounts(): readonly MountSnapshot[];
  /** Whether a killed probe of the mount has not ended yet. */
  isHung(mount: MountSnapshot): boolean;
  hungProbes(): number;
  /** How many probes of monitors that ran here before still hang in the kernel. */
  predecessorProbes(): number;
  /** The paths whose checks have stalled. */
  stalled(): readonly string[];
  watchdog(): WatchdogView;
  reloads(): ReloadView;
  /** Undefined until the server is there. */
  http(): HttpCounts | undefined;
  /** How many lines of the log could not be written. */
  lostLogLines(): number;
}

/** The watchdog as status and metrics show it. */
export interface WatchdogView {
  /** At least `state`, and a `reason` where there is one. */
  readonly status: WatchdogStatusView;
  /** All the states there are. */
  readonly states: readonly string[];
  readonly restarts: ReadonlyMap<string, number>;
  /** Keyed by verb and code, a space between. */
  readonly kubeRequests: ReadonlyMap<string, number>;
}

export interface WatchdogStatusView {
  readonly state: string;
  readonly reason?: string | undefined;
}

/** How reading the configuration again has gone. */
export interface ReloadView {
  readonly lastSuccessful: boolean;
  readonly lastSuccessAt: Date;
}
