import type { FailureReason } from '../probe/protocol.ts';

/** A mount's health, in the order of the numbers that status pages show. */
export const mountStatuses = ['unknown', 'healthy', 'degraded', 'unhealthy'] as const;
export type MountStatus = (typeof mountStatuses)[number];

/** What the checks of one mount have come to so far. */
export interface HealthState {
  readonly status: MountStatus;
  /** Failures in a row. */
  readonly failures: number;
  /** Passes in a row, counted only while the mount is on its way back. */
  readonly passes: number;
  /** The failure that the status stems from; undefined while healthy. */
  readonly failure: CheckFailure | undefined;
}

export interface CheckFailure {
  readonly reason: FailureReason;
  readonly error: string;
}

/** What a check says about the mount. */
export type CheckVerdict = { readonly passed: true } | ({ readonly passed: false } & CheckFailure);

export interface Thresholds {
  /** Failures in a row until unhealthy; at least 1. */
  readonly failure: number;
  /** Passes in a row until healthy again; at least 1. */
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

/** A mount of which nothing is known yet. */
export const initialState: HealthState = { status: 'unknown', failures: 0, passes: 0, failure: undefined };

/**
 * Folds one verdict into the state. A first pass makes a mount healthy; a failure makes it degraded, enough
 * of them in a row unhealthy; enough passes in a row make it healthy again.
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
  // An unhealthy mount that passed a few times is not back yet, so a failure does not make it better.
  const status = state.status === 'unhealthy' || failures >= threshold ? 'unhealthy' : 'degraded';
  return { status, failures, passes: 0, failure: { reason, error } };
}
