import type { FailureReason } from '../probe/protocol.ts';

/** A mount's health, in the order of the numbers shown on status pages. */
export const mountStatuses = ['unknown', 'healthy', 'degraded', 'unhealthy'] as const;
export type MountStatus = (typeof mountStatuses)[number];

/** The cumulative result of one mount's checks. */
export interface HealthState {
  readonly status: MountStatus;
  /** Consecutive failures. */
  readonly failures: number;
  /** Consecutive passes, counted only while the mount is recovering. */
  readonly passes: number;
  /** The failure that caused the status; undefined while healthy. */
  readonly failure: CheckFailure | undefined;
}

export interface CheckFailure {
  readonly reason: FailureReason;
  readonly error: string;
}

/** A check's verdict on the mount. */
export type CheckVerdict = { readonly passed: true } | ({ readonly passed: false } & CheckFailure);

export interface Thresholds {
  /** Consecutive failures until unhealthy; at least 1. */
  readonly failure: number;
  /** Consecutive passes until healthy again; at least 1. */
  readonly success: number;
}

export type TransitionTrigger = 'check_passed' | 'check_failed' | 'recovered';

export interface Transition {
  readonly from: MountStatus;
  readonly to: MountStatus;
  readonly trigger: TransitionTrigger;
}

export interface Reduced {
  readonly state: HealthState;
  readonly transition: Transition | undefined;
}

/** A mount that has not been checked yet. */
export const initialState: HealthState = { status: 'unknown', failures: 0, passes: 0, failure: undefined };

/**
 * Applies one verdict to the state. The first pass makes a mount healthy. A failure makes it degraded, and enough
 * consecutive failures make it unhealthy; enough consecutive passes make it healthy again.
 */
export function reduce(state: HealthState, verdict: CheckVerdict, thresholds: Thresholds): Reduced {
  const next = verdict.passed
    ? afterPass(state, thresholds.success)
    : afterFailure(state, verdict, thresholds.failure);
  if (next.status === state.status) return { state: next, transition: undefined };
  const trigger = !verdict.passed
    ? 'check_failed'
    : state.status === 'unhealthy'
      ? 'recovered'
      : 'check_passed';
  return { state: next, transition: { from: state.status, to: next.status, trigger } };
}

function afterPass(state: HealthState, threshold: number): HealthState {
  const failing = state.status === 'degraded' || state.status === 'unhealthy';
  const passes = failing ? state.passes + 1 : 0;
  if (failing && passes < threshold) return { ...state, failures: 0, passes };
  return { status: 'healthy', failures: 0, passes: 0, failure: undefined };
}

function afterFailure(state: HealthState, { reason, error }: CheckFailure, threshold: number): HealthState {
  const failures = state.failures + 1;
  // An unhealthy mount that has passed a few times has not recovered yet, so a failure must not improve it.
  const status = state.status === 'unhealthy' || failures >= threshold ? 'unhealthy' : 'degraded';
  return { status, failures, passes: 0, failure: { reason, error } };
}
