import type { RestartBudget, WatchdogMode } from '../config/watchdog-config.ts';
import type { LogFields } from '../log.ts';
import type { Reservation } from './budget.ts';
import type { KubeApi } from './kube/api.ts';
import type { PodUid } from './kube/names.ts';
import type { EventText } from './kube/requests.ts';

/** A mount that has reached its failure threshold and has not recovered. */
export interface UnhealthyMount {
  readonly name?: string | undefined;
  /** Unique among the mounts. */
  readonly path: string;
  readonly reason?: string | undefined;
  readonly error?: string | undefined;
}

/** The states shown in the status and the metrics. */
export const watchdogStates = [
  'disabled',
  'disarmed',
  'arming',
  'armed',
  'pending',
  'restarting',
  'verifying',
  'suppressed',
  'notified',
  'stopped',
] as const;
export type WatchdogState = (typeof watchdogStates)[number];

/**
 * The outcomes of a restart. `done`: the pod is going away; `exited`: mode exit ended the process; `notified`: mode
 * notify reported it; `suppressed`: the budget has no room; `cancelled`: all mounts recovered; `refused`: the API
 * server refuses it; `conflict`: another pod has this name; `failed`: given up after the retries.
 */
export const restartOutcomes = [
  'done',
  'exited',
  'notified',
  'suppressed',
  'cancelled',
  'refused',
  'conflict',
  'failed',
] as const;
export type Outcome = (typeof restartOutcomes)[number];

/** The exit code of mode `exit`, for `restartPolicyRules`. */
export const exitModeCode = 88;
/** The exit code after giving up on deleting the pod. */
export const gaveUpCode = 1;

/** The settings that decisions depend on, with times in ms. */
export interface Settings {
  readonly mode: WatchdogMode;
  readonly restartDelayMs: number;
  readonly maxRetries: number;
  readonly retryBackoffInitialMs: number;
  readonly retryBackoffMaxMs: number;
  readonly budget: RestartBudget | undefined;
  /** Distinguishes this process's entries in the budget from all others. */
  readonly instance: string;
}

/** The pod that the watchdog is armed for. */
export interface PodTarget {
  readonly uid: PodUid;
  /** The pod's key in the budget's ConfigMap. */
  readonly ledgerKey: string;
}

/** One restart, from its start until it is done or dropped. */
export interface Restart {
  /** Its ID in the budget. */
  readonly id: string;
  /** Failed attempts. */
  readonly attempts: number;
  /** How many times it was suppressed. */
  readonly suppressions: number;
  /** Whether creating the Event was tried; once is enough. */
  readonly reported: boolean;
  /** When its place in the budget was requested. */
  readonly reservedAt: number | undefined;
}

export type Phase =
  | { readonly state: 'disabled' }
  | { readonly state: 'disarmed'; readonly reason: string; readonly detail: string }
  | {
      readonly state: 'arming';
      readonly reason: string | undefined;
      readonly detail: string | undefined;
      /** Failed attempts since arming began. */
      readonly attempts: number;
      readonly wakeAt: number | undefined;
    }
  | {
      readonly state: 'armed';
      /** Why the pod is not known yet, in the modes that work without the API server; the request is repeated. */
      readonly reason?: string | undefined;
      readonly detail?: string | undefined;
      readonly attempts?: number;
      readonly wakeAt?: number | undefined;
    }
  | { readonly state: 'pending'; readonly wakeAt: number }
  | {
      readonly state: 'restarting';
      readonly step: 'reading' | 'reserving' | 'reporting' | 'removing' | 'waiting';
      readonly restart: Restart;
      readonly wakeAt: number | undefined;
    }
  | {
      readonly state: 'verifying';
      readonly restart: Restart;
      readonly readings: number;
      readonly wakeAt: number | undefined;
    }
  | {
      readonly state: 'suppressed';
      readonly reason: 'budget_exhausted' | 'budget_unreadable';
      readonly detail: string;
      readonly restart: Restart;
      readonly wakeAt: number;
    }
  | {
      readonly state: 'notified';
      /** Failed attempts to create the Event; undefined once it is created or given up. */
      readonly attempts: number | undefined;
      readonly wakeAt: number | undefined;
    }
  | { readonly state: 'stopped'; readonly reason: string; readonly detail: string };

export interface Machine {
  readonly phase: Phase;
  /** When the machine entered this state. */
  readonly since: number;
  readonly unhealthy: readonly UnhealthyMount[];
  /** Since when at least one mount has been unhealthy. */
  readonly unhealthySince: number | undefined;
  readonly target: PodTarget | undefined;
  /** The unhealthy mounts that mode `notify` has reported. */
  readonly known: readonly string[];
  /** Consecutive refusals, across several armings. */
  readonly refusals: number;
  readonly callNumber: number;
  readonly callUnderWay: boolean;
  readonly restartNumber: number;
  readonly lastError: string | undefined;
}

/** A call that the runner must carry out. */
export type Call =
  | { readonly kind: 'arm' }
  | { readonly kind: 'read' }
  | { readonly kind: 'reserve'; readonly id: string; readonly key: string | undefined }
  | { readonly kind: 'report'; readonly uid: PodUid; readonly event: Omit<EventText, 'at'> }
  | { readonly kind: 'remove'; readonly how: 'delete' | 'evict'; readonly uid: PodUid }
  | { readonly kind: 'verify' };

/** The outcome of arming. */
export type ArmOutcome =
  | {
      readonly kind: 'armed';
      /** Undefined in the modes that work without the API server, if it could not be reached. */
      readonly target: PodTarget | undefined;
      /** For the log. */
      readonly facts: LogFields;
      /** Why there is no target. */
      readonly unreachable?: string | undefined;
      /** Why the budget will suppress restarts in the current situation. */
      readonly warning: string | undefined;
    }
  | { readonly kind: 'terminating' }
  /** Another pod has this pod's name. */
  | { readonly kind: 'replaced'; readonly detail: string }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly detail: string;
      readonly retryAfterMs?: number | undefined;
    };

type Answer<Method extends keyof KubeApi> = Awaited<ReturnType<KubeApi[Method]>>;

export type CallResult =
  | { readonly call: 'arm'; readonly outcome: ArmOutcome }
  | { readonly call: 'read'; readonly answer: Answer<'getPod'> }
  | { readonly call: 'verify'; readonly answer: Answer<'getPod'> }
  | { readonly call: 'reserve'; readonly reservation: Reservation }
  | { readonly call: 'report'; readonly answer: Answer<'createEvent'> }
  | { readonly call: 'remove'; readonly answer: Answer<'deletePod'> };

/** An input of the watchdog; `at` is in ms on a monotonic clock. */
export type Input = { readonly at: number } & (
  | { readonly kind: 'start' }
  | { readonly kind: 'mounts'; readonly unhealthy: readonly UnhealthyMount[] }
  | { readonly kind: 'tick' }
  | { readonly kind: 'result'; readonly number: number; readonly result: CallResult }
  /** A call ended in an error that is none of its expected results. */
  | { readonly kind: 'defect'; readonly detail: string }
  | { readonly kind: 'close' }
);
