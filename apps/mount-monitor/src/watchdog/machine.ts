import type { LogFields } from '../log.ts';
import type { Reservation } from './budget.ts';
import { reservationMs } from './budget.ts';
import { describeMounts, eventFor } from './descriptions.ts';
import type { Refusal } from './kube/api.ts';
import type {
  ArmOutcome,
  Call,
  CallResult,
  Input,
  Machine,
  Outcome,
  Phase,
  Restart,
  Settings,
  UnhealthyMount,
} from './machine-types.ts';
import { exitModeCode, gaveUpCode } from './machine-types.ts';
import { backoff, retryAfter, thinning } from './waits.ts';

/** What the runner must do, in order. */
export type Action =
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: LogFields;
    }
  | { readonly kind: 'count'; readonly outcome: Outcome }
  /** Carry out the call and return the result under the same number; at most one call is in progress. */
  | { readonly kind: 'call'; readonly call: Call; readonly number: number }
  | { readonly kind: 'exit'; readonly code: number };

export interface Stepped {
  readonly machine: Machine;
  readonly actions: readonly Action[];
}

const armFirstMs = 1000;
const armLongestMs = 60_000;
const refusedFirstMs = 5000;
const refusedLongestMs = 300_000;
const unreadableFirstMs = 15_000;
const unreadableLongestMs = 300_000;
const verifyFirstMs = 500;
const verifyLongestMs = 30_000;
/** How often a pod that does not go away is read before the deletion counts as failed. */
const verifyReadings = 6;

/** The state before the first input. */
export function initialMachine(phase: Phase, at: number): Machine {
  return {
    phase,
    since: at,
    unhealthy: [],
    unhealthySince: undefined,
    target: undefined,
    known: [],
    refusals: 0,
    callNumber: 0,
    callUnderWay: false,
    restartNumber: 0,
    lastError: undefined,
  };
}

/** When the machine needs a `tick`, on the clock of the inputs' `at`; undefined means never. */
export function wakeAt({ phase }: Machine): number | undefined {
  return 'wakeAt' in phase ? phase.wakeAt : undefined;
}

/**
 * Makes the watchdog's decisions, without a clock, network or randomness: applies one input to the state and returns
 * the actions. It requests the pod's removal only while a mount is unhealthy.
 */
export function step(machine: Machine, input: Input, settings: Settings): Stepped {
  const next = new Step(machine, input.at, settings);
  switch (input.kind) {
    case 'start':
      next.start();
      break;
    case 'mounts':
      next.mounts(input.unhealthy);
      break;
    case 'tick':
      next.tick();
      break;
    case 'result':
      if (input.number === machine.callNumber && machine.callUnderWay) next.result(input.result);
      break;
    case 'defect':
      next.defect(input.detail);
      break;
    case 'close':
      next.close();
  }
  return next.stepped();
}

/** One step in progress; exists only inside {@link step}. */
class Step {
  #machine: Machine;
  readonly #at: number;
  readonly #settings: Settings;
  readonly #actions: Action[] = [];

  constructor(machine: Machine, at: number, settings: Settings) {
    this.#machine = machine;
    this.#at = at;
    this.#settings = settings;
  }

  stepped(): Stepped {
    return { machine: this.#machine, actions: this.#actions };
  }

  start(): void {
    const { phase } = this.#machine;
    if (phase.state === 'disarmed') {
      this.#log('warn', 'watchdog disarmed', { reason: phase.reason, detail: phase.detail });
    } else if (phase.state === 'arming') {
      this.#call({ kind: 'arm' });
    }
  }

  mounts(unhealthy: readonly UnhealthyMount[]): void {
    const before = this.#machine.unhealthy;
    const unhealthySince = unhealthy.length === 0 ? undefined : (this.#machine.unhealthySince ?? this.#at);
    // If a mount recovers and then fails again, that must be reported again.
    const known = this.#machine.known.filter((path) => unhealthy.some((mount) => mount.path === path));
    this.#set({ unhealthy, unhealthySince, known });
    const { phase } = this.#machine;
    const news = unhealthy.some(({ path }) => !known.includes(path));
    if (unhealthy.length === 0) {
      this.#recovered(before);
    } else if (phase.state === 'armed') {
      this.#pend();
    } else if (phase.state === 'notified') {
      if (news) this.#pend(this.#at);
    } else if (phase.state === 'pending' && !news) {
      // Only mounts that have already been reported are left.
      this.#cancel(before.filter(({ path }) => !known.includes(path)));
    } else if (phase.state === 'pending' || phase.state === 'restarting' || phase.state === 'suppressed') {
      const gone = before.filter(({ path }) => !unhealthy.some((mount) => mount.path === path));
      if (gone.length > 0) {
        this.#log('info', 'watchdog restart still pending: other mounts are unhealthy', {
          recovered: gone.map(({ path }) => path),
          mounts: describeMounts(unhealthy),
        });
      }
    }
  }

  #recovered(before: readonly UnhealthyMount[]): void {
    const { phase, callUnderWay } = this.#machine;
    this.#set({ refusals: 0 });
    if (phase.state === 'notified') {
      this.#log('info', 'watchdog: all mounts are healthy again', {});
      this.#set({ callUnderWay: false });
      this.#rest();
    } else if (phase.state === 'pending' || phase.state === 'suppressed') {
      this.#cancel(before);
    } else if (phase.state === 'restarting' && !(phase.step === 'removing' && callUnderWay)) {
      this.#cancel(before);
    }
  }

  tick(): void {
    const { phase, callUnderWay } = this.#machine;
    const due = wakeAt(this.#machine);
    if (due === undefined || due > this.#at || callUnderWay) return;
    switch (phase.state) {
      case 'arming':
      case 'armed':
        this.#enter({ ...phase, wakeAt: undefined });
        this.#call({ kind: 'arm' });
        break;
      case 'notified':
        this.#enter({ ...phase, wakeAt: undefined });
        this.#reportNotification();
        break;
      case 'pending':
        this.#begin();
        break;
      case 'suppressed':
        this.#proceed({ ...phase.restart, suppressions: phase.restart.suppressions });
        break;
      case 'restarting':
        this.#proceed(phase.restart);
        break;
      case 'verifying':
        this.#enter({ ...phase, wakeAt: undefined });
        this.#call({ kind: 'verify' });
    }
  }

  result(result: CallResult): void {
    this.#set({ callUnderWay: false });
    const { phase } = this.#machine;
    if (result.call === 'arm') this.#armAnswer(result.outcome, phase);
    else if (result.call === 'report' && phase.state === 'notified')
      this.#notificationResult(result.answer, phase);
    else if (result.call === 'verify' && phase.state === 'verifying') this.#verifyResult(result, phase);
    else if (phase.state === 'restarting') {
      if (result.call === 'read') this.#readResult(result, phase.restart);
      else if (result.call === 'reserve') this.#reserveResult(result.reservation, phase.restart);
      else if (result.call === 'report') this.#reportResult(result, phase.restart);
      else if (result.call === 'remove') this.#removeResult(result, phase.restart);
    }
  }

  defect(detail: string): void {
    this.#set({ callUnderWay: false });
    this.#stop('error', 'defect', detail);
  }

  close(): void {
    const { phase } = this.#machine;
    if (phase.state === 'pending' || phase.state === 'restarting' || phase.state === 'suppressed') {
      this.#log('info', 'watchdog restart dropped', {
        reason: 'shutting_down',
        mounts: describeMounts(this.#machine.unhealthy),
      });
    }
    this.#set({ callUnderWay: false });
    this.#enter({ state: 'stopped', reason: 'closed', detail: 'the monitor is shutting down' });
  }

  // Arming

  #armAnswer(outcome: ArmOutcome, phase: Phase): void {
    if (phase.state === 'arming') this.#armResult(outcome, phase.attempts);
    else if (outcome.kind === 'terminating' || outcome.kind === 'replaced') this.#armResult(outcome, 0);
    else if (phase.state === 'armed') this.#lookAgain(outcome, phase.attempts ?? 0);
    else if (phase.state === 'notified') this.#notificationTarget(outcome, phase);
    else if (phase.state === 'restarting') {
      if (outcome.kind === 'armed') this.#set({ target: outcome.target });
      this.#reserveOrGoOn(phase.restart);
    }
  }

  /** Armed without the API server: keeps asking for what only the API server knows until it answers. */
  #lookAgain(outcome: ArmOutcome & { readonly kind: 'armed' | 'refused' }, attempts: number): void {
    if (outcome.kind === 'armed' && outcome.target !== undefined) {
      this.#armResult(outcome, 0);
      return;
    }
    const { detail } = outcome.kind === 'armed' ? { detail: outcome.unreachable } : outcome;
    const retryAfterMs = outcome.kind === 'refused' ? retryAfter(outcome) : 0;
    const waitMs = Math.max(backoff(attempts, armFirstMs, armLongestMs), retryAfterMs);
    this.#enter({
      state: 'armed',
      reason: 'api_unreachable',
      detail,
      attempts: attempts + 1,
      wakeAt: this.#at + waitMs,
    });
  }

  #armResult(outcome: ArmOutcome, attempts: number): void {
    if (outcome.kind === 'armed') {
      this.#set({ target: outcome.target, lastError: undefined });
      this.#log('info', 'watchdog armed', { mode: this.#settings.mode, ...outcome.facts });
      if (outcome.warning !== undefined)
        this.#log('warn', 'watchdog: the restart budget cannot be used', {
          detail: outcome.warning,
          effect: 'restarts are suppressed until it can be read',
        });
      if (outcome.target === undefined) this.#lookAgain(outcome, 0);
      else this.#enter({ state: 'armed' });
      if (this.#machine.unhealthy.length > 0) this.#pend();
      return;
    }
    if (outcome.kind === 'terminating') {
      this.#stop('info', 'pod_terminating', 'the pod is already being deleted');
      return;
    }
    if (outcome.kind === 'replaced') {
      this.#mismatch(outcome.detail);
      return;
    }
    const { phase } = this.#machine;
    const same = phase.state === 'arming' && phase.reason === outcome.reason && attempts > 0;
    const waitMs = Math.max(backoff(attempts, armFirstMs, armLongestMs), retryAfter(outcome));
    this.#log(same ? 'debug' : 'warn', 'watchdog not armed', {
      reason: outcome.reason,
      detail: outcome.detail,
      attempt: attempts + 1,
      retry_in_ms: waitMs,
    });
    this.#rearm(outcome.reason, outcome.detail, attempts + 1, waitMs);
  }

  #rearm(reason: string, detail: string, attempts: number, waitMs: number): void {
    this.#set({ lastError: detail, target: undefined });
    this.#enter({ state: 'arming', reason, detail, attempts, wakeAt: this.#at + waitMs });
  }

  // The way to a restart

  #pend(since = this.#machine.unhealthySince ?? this.#at): void {
    const { restartDelayMs, mode } = this.#settings;
    const due = Math.max(this.#at, since + restartDelayMs);
    this.#log('warn', mode === 'notify' ? 'watchdog notification pending' : 'watchdog restart pending', {
      mounts: describeMounts(this.#machine.unhealthy),
      delay_ms: due - this.#at,
    });
    // A request made while nothing was wrong can be repeated.
    this.#set({ callUnderWay: false });
    this.#enter({ state: 'pending', wakeAt: due });
    if (due <= this.#at) this.#begin();
  }

  #begin(): void {
    if (this.#settings.mode === 'notify') {
      this.#notify();
      return;
    }
    const restartNumber = this.#machine.restartNumber + 1;
    this.#set({ restartNumber });
    this.#proceed({
      id: `${this.#settings.instance}-${restartNumber}`,
      attempts: 0,
      suppressions: 0,
      reported: false,
      reservedAt: undefined,
    });
  }

  /** The first step of an attempt: every attempt starts from the pod's current state. */
  #proceed(restart: Restart): void {
    const { mode, budget } = this.#settings;
    if (mode === 'exit' && (budget === undefined || this.#machine.target !== undefined)) {
      this.#reserveOrGoOn(restart);
      return;
    }
    this.#enter({ state: 'restarting', step: 'reading', restart, wakeAt: undefined });
    // Without the pod there is no place in the budget; by now, the API server may answer.
    this.#call(mode === 'exit' ? { kind: 'arm' } : { kind: 'read' });
  }

  // Notifications

  /** Reports immediately; the Event follows as soon as the API server accepts it. */
  #notify(): void {
    const { unhealthy } = this.#machine;
    this.#count('notified');
    this.#log('error', 'watchdog: mounts are unhealthy', {
      mode: 'notify',
      mounts: describeMounts(unhealthy),
    });
    this.#set({ known: unhealthy.map(({ path }) => path) });
    this.#enter({ state: 'notified', attempts: 0, wakeAt: undefined });
    this.#reportNotification();
  }

  #reportNotification(): void {
    const { target, unhealthy } = this.#machine;
    if (target === undefined) this.#call({ kind: 'arm' });
    else this.#call({ kind: 'report', uid: target.uid, event: eventFor('notify', unhealthy) });
  }

  #notificationTarget(
    outcome: ArmOutcome & { readonly kind: 'armed' | 'refused' },
    phase: Phase & { readonly state: 'notified' },
  ): void {
    if (outcome.kind === 'armed' && outcome.target !== undefined) {
      this.#set({ target: outcome.target });
      this.#reportNotification();
    } else {
      const detail = outcome.kind === 'armed' ? outcome.unreachable : outcome.detail;
      this.#reportLater(detail ?? 'the pod is unknown', outcome.kind === 'armed' ? {} : outcome, phase);
    }
  }

  #notificationResult(
    answer: (CallResult & { readonly call: 'report' })['answer'],
    phase: Phase & { readonly state: 'notified' },
  ): void {
    if (answer.kind === 'done') {
      this.#enter({ state: 'notified', attempts: undefined, wakeAt: undefined });
    } else if (isTransient(answer)) {
      this.#reportLater(answer.detail, answer, phase);
    } else {
      this.#log('warn', 'watchdog: the Event could not be created', { detail: answer.detail });
      this.#enter({ state: 'notified', attempts: undefined, wakeAt: undefined });
    }
  }

  #reportLater(
    detail: string,
    answer: { readonly retryAfterMs?: number | undefined },
    phase: Phase & { readonly state: 'notified' },
  ): void {
    const attempts = (phase.attempts ?? 0) + 1;
    const waitMs = Math.max(backoff(attempts - 1, armFirstMs, armLongestMs), retryAfter(answer));
    this.#set({ lastError: detail });
    this.#log(thinning(attempts), 'watchdog: the Event could not be created', {
      detail,
      retry_in_ms: waitMs,
    });
    this.#enter({ state: 'notified', attempts, wakeAt: this.#at + waitMs });
  }

  #readResult(result: CallResult & { readonly call: 'read' }, restart: Restart): void {
    const { answer } = result;
    const { target } = this.#machine;
    if (answer.kind === 'refused') {
      this.#attemptFailed(answer, restart);
    } else if (answer.kind === 'absent') {
      this.#stop('info', 'pod_gone', 'the pod no longer exists');
    } else if (target === undefined || answer.uid !== target.uid) {
      this.#mismatch(`expected uid ${target?.uid ?? 'none'}, found ${answer.uid}`);
    } else if (answer.terminating) {
      this.#stop('info', 'pod_terminating', 'the pod is already being deleted');
    } else if (answer.controller === undefined) {
      this.#refused('no_controller', noControllerDetail);
    } else {
      this.#reserveOrGoOn(restart);
    }
  }

  #reserveOrGoOn(restart: Restart): void {
    const { budget } = this.#settings;
    const { reservedAt } = restart;
    const fresh = reservedAt !== undefined && this.#at - reservedAt < reservationMs / 2;
    if (budget === undefined || fresh) {
      this.#reportOrGoOn(restart);
      return;
    }
    this.#enter({
      state: 'restarting',
      step: 'reserving',
      restart: { ...restart, reservedAt: this.#at },
      wakeAt: undefined,
    });
    this.#call({ kind: 'reserve', id: restart.id, key: this.#machine.target?.ledgerKey });
  }

  #reserveResult(reservation: Reservation, restart: Restart): void {
    if (reservation.kind === 'reserved') {
      this.#log('info', 'watchdog restart added to the budget', {
        used: reservation.used,
        limit: reservation.limit,
      });
      this.#reportOrGoOn(restart);
      return;
    }
    const exhausted = reservation.kind === 'exhausted';
    const reason = exhausted ? 'budget_exhausted' : 'budget_unreadable';
    const detail = exhausted
      ? `${reservation.used} restarts within the budget's window, ${reservation.limit} allowed`
      : reservation.detail;
    const waitMs = exhausted
      ? reservation.freeInMs
      : backoff(restart.suppressions, unreadableFirstMs, unreadableLongestMs);
    this.#set({ lastError: exhausted ? undefined : detail });
    this.#count('suppressed');
    this.#log('error', 'watchdog restart suppressed', {
      reason,
      detail,
      mounts: describeMounts(this.#machine.unhealthy),
      retry_in_ms: waitMs,
    });
    const suppressed = { ...restart, reservedAt: undefined, suppressions: restart.suppressions + 1 };
    this.#enter({ state: 'suppressed', reason, detail, restart: suppressed, wakeAt: this.#at + waitMs });
  }

  #reportOrGoOn(restart: Restart): void {
    const { target, unhealthy } = this.#machine;
    if (restart.reported || target === undefined) {
      this.#remove(restart);
      return;
    }
    this.#enter({ state: 'restarting', step: 'reporting', restart, wakeAt: undefined });
    this.#call({ kind: 'report', uid: target.uid, event: eventFor(this.#settings.mode, unhealthy) });
  }

  #reportResult(result: CallResult & { readonly call: 'report' }, restart: Restart): void {
    if (result.answer.kind === 'refused') {
      this.#log('warn', 'watchdog: the Event could not be created', { detail: result.answer.detail });
    }
    const reported = { ...restart, reported: true };
    const { reservedAt } = reported;
    // A slow Event may have used up the reservation.
    if (reservedAt !== undefined && this.#at - reservedAt >= reservationMs / 2) this.#reserveOrGoOn(reported);
    else this.#remove(reported);
  }

  #remove(restart: Restart): void {
    const { mode } = this.#settings;
    const { target, unhealthy } = this.#machine;
    const fields = { mode, mounts: describeMounts(unhealthy), attempt: restart.attempts + 1 };
    if (mode === 'exit') {
      this.#count('exited');
      this.#log('warn', 'watchdog exits', { ...fields, exit_code: exitModeCode });
      this.#enter({ state: 'stopped', reason: 'exiting', detail: describeMounts(unhealthy).join('; ') });
      this.#actions.push({ kind: 'exit', code: exitModeCode });
    } else if (target === undefined) {
      this.#refused('not_armed', 'the pod is unknown');
    } else if (mode !== 'notify') {
      this.#log(thinning(restart.attempts + 1), 'watchdog restarts the pod', { ...fields, uid: target.uid });
      this.#enter({ state: 'restarting', step: 'removing', restart, wakeAt: undefined });
      this.#call({ kind: 'remove', how: mode, uid: target.uid });
    }
  }

  #removeResult(result: CallResult & { readonly call: 'remove' }, restart: Restart): void {
    const { answer } = result;
    if (answer.kind === 'absent') {
      this.#done('the pod no longer exists');
    } else if (answer.kind === 'done') {
      this.#log('info', 'watchdog: the API server accepted the restart', { status: answer.status });
      this.#enter({ state: 'verifying', restart, readings: 0, wakeAt: this.#at + verifyFirstMs });
    } else if (answer.code === 'withheld') {
      this.#cancel([]);
    } else if (answer.status === 409) {
      this.#mismatch(answer.detail);
    } else {
      this.#attemptFailed(answer, restart);
    }
  }

  #verifyResult(
    result: CallResult & { readonly call: 'verify' },
    { restart, readings }: Phase & { readonly state: 'verifying' },
  ): void {
    const { answer } = result;
    if (answer.kind === 'refused' && answer.status === 403) {
      this.#done('accepted by the API server; the pod cannot be read');
    } else if (answer.kind === 'refused') {
      this.#log('debug', 'watchdog: the restart could not be verified yet', { detail: answer.detail });
      const waitMs = Math.max(backoff(readings, verifyFirstMs, verifyLongestMs), retryAfter(answer));
      this.#enter({ state: 'verifying', restart, readings, wakeAt: this.#at + waitMs });
    } else if (answer.kind === 'absent' || answer.terminating || answer.uid !== this.#machine.target?.uid) {
      this.#done(answer.kind === 'absent' ? 'the pod no longer exists' : 'the pod is being deleted');
    } else if (readings + 1 < verifyReadings) {
      const waitMs = backoff(readings, verifyFirstMs, verifyLongestMs);
      this.#enter({ state: 'verifying', restart, readings: readings + 1, wakeAt: this.#at + waitMs });
    } else {
      const detail = 'the API server accepted the restart, but the pod is not being deleted';
      this.#log('error', 'watchdog restart had no effect', { detail });
      if (this.#machine.unhealthy.length === 0) this.#cancel([]);
      else this.#retry(detail, 0, restart, false);
    }
  }

  // Ends of a restart

  #attemptFailed(answer: Refusal, restart: Restart): void {
    const { status } = answer;
    if (answer.code === 'path') this.#refused('defect', answer.detail);
    else if (!isTransient(answer)) this.#refused(status === 403 ? 'forbidden' : 'rejected', answer.detail);
    else if (this.#machine.unhealthy.length === 0) this.#cancel([]);
    else this.#retry(answer.detail, retryAfter(answer), restart, answer.byDisruptionBudget);
  }

  #retry(detail: string, retryAfterMs: number, restart: Restart, byDisruptionBudget: boolean): void {
    const { mode, maxRetries, retryBackoffInitialMs, retryBackoffMaxMs } = this.#settings;
    const attempts = restart.attempts + 1;
    this.#set({ lastError: detail });
    if (mode === 'delete' && attempts > maxRetries) {
      this.#count('failed');
      this.#log('error', 'watchdog gave up deleting the pod: exiting so that the container restarts', {
        attempts,
        detail,
        mounts: describeMounts(this.#machine.unhealthy),
        exit_code: gaveUpCode,
      });
      this.#enter({ state: 'stopped', reason: 'gave_up', detail });
      this.#actions.push({ kind: 'exit', code: gaveUpCode });
      return;
    }
    const waitMs = Math.max(backoff(attempts - 1, retryBackoffInitialMs, retryBackoffMaxMs), retryAfterMs);
    this.#log(
      thinning(attempts),
      byDisruptionBudget ? 'watchdog restart refused by a disruption budget' : 'watchdog restart failed',
      {
        attempt: attempts,
        detail,
        retry_in_ms: waitMs,
      },
    );
    const retried = { ...restart, attempts };
    this.#enter({ state: 'restarting', step: 'waiting', restart: retried, wakeAt: this.#at + waitMs });
  }

  /** Nothing more is sent until arming succeeds again. */
  #refused(reason: string, detail: string): void {
    const refusals = this.#machine.refusals + 1;
    const waitMs = backoff(refusals - 1, refusedFirstMs, refusedLongestMs);
    this.#set({ refusals });
    this.#count('refused');
    this.#log('error', 'watchdog restart refused', {
      reason,
      detail,
      mounts: describeMounts(this.#machine.unhealthy),
      retry_in_ms: waitMs,
    });
    this.#rearm(reason, detail, 0, waitMs);
  }

  #mismatch(detail: string): void {
    this.#count('conflict');
    this.#stop('error', 'uid_mismatch', `the pod with this name is not this pod: ${detail}`);
  }

  #cancel(recovered: readonly UnhealthyMount[]): void {
    this.#count('cancelled');
    this.#log('info', 'watchdog restart cancelled', {
      reason: 'mounts_recovered',
      ...(recovered.length > 0 ? { recovered: recovered.map(({ path }) => path) } : {}),
    });
    this.#set({ callUnderWay: false });
    this.#rest();
  }

  /** Returns to waiting, with whatever must be done while waiting. */
  #rest(): void {
    const { target, unhealthy, known } = this.#machine;
    if (unhealthy.length > 0 && unhealthy.every(({ path }) => known.includes(path))) {
      this.#enter({ state: 'notified', attempts: undefined, wakeAt: undefined });
      return;
    }
    if (target !== undefined) this.#enter({ state: 'armed' });
    else
      this.#enter({ state: 'armed', reason: 'api_unreachable', attempts: 0, wakeAt: this.#at + armFirstMs });
    // A mount may have failed again before the answer arrived.
    if (unhealthy.length > 0) this.#pend(this.#at);
  }

  #done(detail: string): void {
    this.#count('done');
    this.#set({ refusals: 0, lastError: undefined });
    this.#stop('info', 'restarting', detail);
  }

  #stop(level: 'info' | 'error', reason: string, detail: string): void {
    this.#log(level, 'watchdog stopped', { reason, detail, mounts: describeMounts(this.#machine.unhealthy) });
    this.#enter({ state: 'stopped', reason, detail });
  }

  // Building blocks

  #set(change: Partial<Machine>): void {
    this.#machine = { ...this.#machine, ...change };
  }

  #enter(phase: Phase): void {
    const since = phase.state === this.#machine.phase.state ? this.#machine.since : this.#at;
    this.#set({ phase, since });
  }

  #call(call: Call): void {
    const number = this.#machine.callNumber + 1;
    this.#set({ callNumber: number, callUnderWay: true });
    this.#actions.push({ kind: 'call', call, number });
  }

  #count(outcome: Outcome): void {
    this.#actions.push({ kind: 'count', outcome });
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields): void {
    this.#actions.push({ kind: 'log', level, message, fields });
  }
}

/** Overload and outages pass with time. Refusals do not: they need another role, pod or request. */
function isTransient({ status, code }: Refusal): boolean {
  if (code === 'path') return false;
  return status === undefined || status === 401 || status === 408 || status === 429 || status >= 500;
}

/** Why a pod without a controller is left alone. */
export const noControllerDetail =
  'the pod has no controller in ownerReferences, so nothing would replace it; run it from a Deployment, StatefulSet or DaemonSet';
