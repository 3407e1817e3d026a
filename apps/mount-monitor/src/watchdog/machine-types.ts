import type { RestartBudget, WatchdogMode } from '../config/watchdog-config.ts';
import type { LogFields } from '../log.ts';
import type { Reservation } from './budget.ts';
import type { KubeApi } from './kube/api.ts';
import type { PodUid } from './kube/names.ts';
import type { EventText } from './kube/requests.ts';

/** A mount that has reached its failure threshold and has not recovered. */
export interface UnhealthyMount {
  readonly name?: string | undefined;
  /** Tells the mount from the others. */
  readonly path: string;
  readonly reason?: string | undefined;
  readonly error?: string | undefined;
}

/** The states that status and metrics show. */
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
 * How restarts end. `done`: the pod is going; `exited`: mode exit ended the process; `notified`: mode notify;
 * `suppressed`: no budget; `cancelled`: all mounts recovered; `refused`: the API server refuses it;
 * `conflict`: another pod has this name; `failed`: given up after the retries.
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
/** The exit code when deleting the pod was given up. */
export const gaveUpCode = 1;

/** The settings that decisions depend on, times in ms. */
export interface Settings {
  readonly mode: WatchdogMode;
  readonly restartDelayMs: number;
  readonly maxRetries: number;
  readonly retryBackoffInitialMs: number;
  readonly retryBackoffMaxMs: number;
  readonly budget: RestartBudget | undefined;
  /** Tells this process's entries in the budget from all others. */
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
  /** Its id in the budget. */
  readonly id: string;
  /** Attempts that failed. */
  readonly attempts: number;
  /** Times that it was suppressed. */
  readonly suppressions: number;
  /** Whether the Event was tried; once is enough. */
  readonly reported: boolean;
  /** When its place in the budget was asked for. */
  readonly reservedAt: number | undefined;
}

export type Phase =
  | { readonly state: 'disabled' }
  | { readonly state: 'disarmed'; readonly reason: string; readonly detail: string }
  | {
      readonly state: 'arming';
      readonly reason: string | undefined;
      readonly detail: string | undefined;
      /** Attempts that failed since arming began. */
      readonly attempts: number;
      readonly wakeAt: number | undefined;
    }
  | {
      readonly state: 'armed';
      /** Why the pod is not known yet, in the modes that do without the API server; it is asked again. */
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
      /** Attempts at the Event that failed; undefined once it is made or given up. */
      readonly attempts: number | undefined;
      readonly wakeAt: number | undefined;
    }
  | { readonly state: 'stopped'; readonly reason: string; readonly detail: string };

export interface Machine {
  readonly phase: Phase;
  /** When the state was entered. */
  readonly since: number;
  readonly unhealthy: readonly UnhealthyMount[];
  /** Since when at least one mount has been unhealthy. */
  readonly unhealthySince: number | undefined;
  readonly target: PodTarget | undefined;
  /** The unhealthy mounts that mode `notify` has reported. */
  readonly known: readonly string[];
  /** Refusals in a row, over several armings. */
  readonly refusals: number;
  readonly callNumber: number;
  readonly callUnderWay: boolean;
  readonly restartNumber: number;
  readonly lastError: string | undefined;
}

/** What the runner is asked to carry out. */
export type Call =
  | { readonly kind: 'arm' }
  | { readonly kind: 'read' }
  | { readonly kind: 'reserve'; readonly id: string; readonly key: string | undefined }
  | { readonly kind: 'report'; readonly uid: PodUid; readonly event: Omit<EventText, 'at'> }
  | { readonly kind: 'remove'; readonly how: 'delete' | 'evict'; readonly uid: PodUid }
  | { readonly kind: 'verify' };

/** What arming came to. */
export type ArmOutcome =
  | {
      readonly kind: 'armed';
      /** Undefined in the modes that do without the API server, where it could not be asked. */
      readonly target: PodTarget | undefined;
      /** For the log. */
      readonly facts: LogFields;
      /** Why there is no target. */
      readonly unreachable?: string | undefined;
      /** Why the budget will suppress restarts as things are. */
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

/** What can happen to the watchdog; `at` is in ms on one clock that does not jump. */
export type Input = { readonly at: number } & (
  | { readonly kind: 'start' }
  | { readonly kind: 'mounts'; readonly unhealthy: readonly UnhealthyMount[] }
  | { readonly kind: 'tick' }
  | { readonly kind: 'result'; readonly number: number; readonly result: CallResult }
  /** Carrying out a call ended in an error that none of its results stands for. */
  | { readonly kind: 'defect'; readonly detail: string }
  | { readonly kind: 'close' }
);
