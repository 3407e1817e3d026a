import type { MonitorConfig } from '../config/config.ts';
import type { MountSnapshot } from '../monitor/mount-record.ts';
import type { ConnectionCounts } from './connections.ts';

/** The server's counts, for the metrics. */
export interface HttpCounts extends ConnectionCounts {
  /** Answers by status. */
  readonly answers: ReadonlyMap<number, number>;
}

/** Everything that the endpoints show; read again for each request. */
export interface View {
  readonly version: string;
  readonly startedAt: Date;
  /** Whether the process is shutting down. */
  draining(): boolean;
  config(): MonitorConfig;
  /** Grows whenever anything in this view changes, except the time and the server's own counts. */
  revision(): number;
  mounts(): readonly MountSnapshot[];
  /** Whether a killed probe of the mount hangs in the kernel. */
  isHung(mount: MountSnapshot): boolean;
  hungProbes(): number;
  /** How many probes of earlier monitors still hang in the kernel. */
  predecessorProbes(): number;
  /** The paths whose checks have stalled. */
  stalled(): readonly string[];
  watchdog(): WatchdogView;
  reloads(): ReloadView;
  /** Undefined until the server has started. */
  http(): HttpCounts | undefined;
  /** How many log lines could not be written. */
  lostLogLines(): number;
}

/** The watchdog as shown in the status and the metrics. */
export interface WatchdogView {
  /** Always contains `state`, and `reason` if there is one. */
  readonly status: WatchdogStatusView;
  /** All possible states. */
  readonly states: readonly string[];
  readonly restarts: ReadonlyMap<string, number>;
  /** Keyed by verb and code, separated by a space. */
  readonly kubeRequests: ReadonlyMap<string, number>;
}

export interface WatchdogStatusView {
  readonly state: string;
  readonly reason?: string | undefined;
}

/** The outcome of reloading the configuration. */
export interface ReloadView {
  readonly lastSuccessful: boolean;
  readonly lastSuccessAt: Date;
}
