import { randomUUID } from 'node:crypto';
import type { WatchdogConfig } from '../config/watchdog-config.ts';
import type { Logger } from '../log.ts';
import { arm } from './arming.ts';
import { type Reservation, reserve } from './budget.ts';
import { describeMounts } from './descriptions.ts';
import { type Environment, parseEnvironment } from './environment.ts';
import { createKubeApi, type Discovered, type KubeApi } from './kube/api.ts';
import { createKubeTransport, type KubeEndpoint, type KubeTransport, type KubeVerb } from './kube/client.ts';
import type { PodUid } from './kube/names.ts';
import { type Action, initialMachine, step, wakeAt } from './machine.ts';
import {
  type Call,
  type CallResult,
  type Input,
  type Machine,
  type Outcome,
  type Phase,
  restartOutcomes,
  type UnhealthyMount,
  type WatchdogState,
  watchdogStates,
} from './machine-types.ts';

/** The time, replaceable in tests. */
export interface WatchdogClock {
  /** Milliseconds on a monotonic clock. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls back once after that many ms; the returned function cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

export interface WatchdogOptions {
  readonly config: WatchdogConfig;
  /** `process.env`; see {@link parseEnvironment} for the variables. */
  readonly env: Environment;
  readonly log: Logger;
  /** Ends the process with a code; the watchdog does nothing more afterwards. */
  readonly onExit: (code: number) => void;
  readonly clock?: WatchdogClock;
  /** Creates the transport to the API server; defaults to the real one. */
  readonly transport?: (endpoint: KubeEndpoint) => KubeTransport;
  /** Decides like {@link step}; replaceable so that tests can check their rules against wrong decisions. */
  readonly decide?: typeof step;
}

/** The watchdog's state for the status endpoint, ready to be written as JSON. Times are RFC 3339. */
export interface WatchdogStatus {
  readonly state: WatchdogState;
  readonly mode: WatchdogConfig['mode'];
  /** Why it is in this state, if the state has reasons: a keyword, and one line for people. */
  readonly reason?: string;
  readonly detail?: string;
  /** When it entered this state. */
  readonly since: string;
  /** When it will act next on its own. */
  readonly next_attempt?: string;
  /** Failed attempts at the current restart. */
  readonly failed_attempts?: number;
  readonly last_error?: string;
  /** The unhealthy mounts, one line each. */
  readonly unhealthy: readonly string[];
  /** Restarts that the budget has held back since this process started. */
  readonly suppressed_restarts: number;
}

/** The values for the metrics; counters start with this process. */
export interface WatchdogMetrics {
  /** All possible states. */
  readonly states: readonly WatchdogState[];
  /** Keyed by outcome; every outcome has an entry. */
  readonly restarts: ReadonlyMap<Outcome, number>;
  /**
   * Requests to the API server, keyed by verb and code, separated by a space; the code is an HTTP status, or why there
   * was no answer.
   */
  readonly kubeRequests: ReadonlyMap<string, number>;
}

/** Restarts the pod while mounts are unhealthy. It touches no mount, and no method blocks. */
export interface Watchdog {
  /** Passes all mounts that are unhealthy now; call it after every change. Returns immediately. */
  update(unhealthy: readonly UnhealthyMount[]): void;
  /** Changes whenever the result of `status` or `metrics` does. */
  readonly revision: number;
  status(): WatchdogStatus;
  metrics(): WatchdogMetrics;
  /** Cancels a pending restart and sends nothing more. Resolves once a request in progress has ended. */
  close(): Promise<void>;
}

/** Creates the watchdog and starts arming it. */
export function createWatchdog(options: WatchdogOptions): Watchdog {
  return new RunningWatchdog(options);
}

const systemClock: WatchdogClock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(milliseconds, callback) {
    // setTimeout takes 31 bits; waking up early is harmless.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Carries out the machine's decisions. */
class RunningWatchdog implements Watchdog {
  readonly #options: WatchdogOptions;
  readonly #clock: WatchdogClock;
  readonly #settings;
  readonly #environment;
  readonly #transport: KubeTransport | undefined;
  readonly #closing = new AbortController();
  readonly #discovered: Discovered = {};
  readonly #restarts = new Map<Outcome, number>(restartOutcomes.map((outcome) => [outcome, 0]));
  readonly #requests = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  #machine: Machine;
  #api: KubeApi | undefined;
  #uid: PodUid | undefined;
  #cancelTimer: (() => void) | undefined;
  #revision = 0;

  constructor(options: WatchdogOptions) {
    const { config } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#settings = {
      mode: config.mode,
      restartDelayMs: config.restartDelayMs,
      maxRetries: config.maxRetries,
      retryBackoffInitialMs: config.retryBackoffInitialMs,
      retryBackoffMaxMs: config.retryBackoffMaxMs,
      budget: config.budget,
      instance: randomUUID(),
    };
    const environment = parseEnvironment(options.env);
    this.#environment = 'reason' in environment ? undefined : environment;
    this.#transport =
      this.#environment === undefined
        ? undefined
        : (options.transport ?? createKubeTransport)(this.#environment);
    this.#uid = this.#environment?.uid;
    const phase: Phase = !config.enabled
      ? { state: 'disabled' }
      : 'reason' in environment
        ? { state: 'disarmed', ...environment }
        : { state: 'arming', reason: undefined, detail: undefined, attempts: 0, wakeAt: undefined };
    this.#machine = initialMachine(phase, this.#clock.monotonic());
    this.#input({ at: this.#clock.monotonic(), kind: 'start' });
  }

  get revision(): number {
    return this.#revision;
  }

  update(unhealthy: readonly UnhealthyMount[]): void {
    this.#input({ at: this.#clock.monotonic(), kind: 'mounts', unhealthy });
  }

  status(): WatchdogStatus {
    const { phase, since, lastError, unhealthy } = this.#machine;
    const date = (monotonic: number) =>
      new Date(this.#clock.wall() + monotonic - this.#clock.monotonic()).toISOString();
    const next = wakeAt(this.#machine);
    const { reason, detail } = 'reason' in phase ? phase : { reason: undefined, detail: undefined };
    return {
      state: phase.state,
      mode: this.#settings.mode,
      ...(reason === undefined ? {} : { reason }),
      ...(detail === undefined ? {} : { detail }),
      since: date(since),
      ...(next === undefined ? {} : { next_attempt: date(next) }),
      ...(phase.state === 'restarting' ? { failed_attempts: phase.restart.attempts } : {}),
      ...(lastError === undefined ? {} : { last_error: lastError }),
      unhealthy: describeMounts(unhealthy),
      suppressed_restarts: this.#restarts.get('suppressed') ?? 0,
    };
  }

  metrics(): WatchdogMetrics {
    return {
      states: watchdogStates,
      restarts: new Map(this.#restarts),
      kubeRequests: new Map(this.#requests),
    };
  }

  async close(): Promise<void> {
    this.#input({ at: this.#clock.monotonic(), kind: 'close' });
    this.#closing.abort();
    await Promise.all(this.#underWay);
  }

  #input(input: Input): void {
    if (this.#closing.signal.aborted) return;
    const { decide = step } = this.#options;
    const { machine, actions } = decide(this.#machine, input, this.#settings);
    this.#machine = machine;
    this.#revision += 1;
    this.#cancelTimer?.();
    const due = wakeAt(machine);
    this.#cancelTimer =
      due === undefined
        ? undefined
        : this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () =>
            this.#input({ at: this.#clock.monotonic(), kind: 'tick' }),
          );
    for (const action of actions) this.#carryOut(action);
  }

  #carryOut(action: Action): void {
    switch (action.kind) {
      case 'log':
        this.#options.log[action.level](action.message, action.fields);
        break;
      case 'count':
        this.#restarts.set(action.outcome, (this.#restarts.get(action.outcome) ?? 0) + 1);
        break;
      case 'exit':
        this.#options.onExit(action.code);
        break;
      case 'call': {
        const { number, call } = action;
        const running = this.#call(call)
          .then(
            (result): Input => ({ at: this.#clock.monotonic(), kind: 'result', number, result }),
            // A failing watchdog must not take the monitor down.
            (error: unknown): Input => ({
              at: this.#clock.monotonic(),
              kind: 'defect',
              detail: error instanceof Error ? error.message : String(error),
            }),
          )
          .then((input) => {
            this.#underWay.delete(running);
            this.#input(input);
          });
        this.#underWay.add(running);
      }
    }
  }

  async #call(call: Call): Promise<CallResult> {
    const environment = this.#environment;
    const transport = this.#transport;
    if (environment === undefined || transport === undefined) {
      throw new Error(`watchdog: ${call.kind} requested outside a cluster`);
    }
    if (call.kind === 'arm') {
      const { mode, budget } = this.#settings;
      const armed = await arm({
        environment,
        mode,
        budget,
        uid: this.#uid,
        connect: (namespace) =>
          createKubeApi({
            transport,
            namespace,
            pod: environment.pod,
            signal: this.#closing.signal,
            discovered: this.#discovered,
            count: (verb, code) => this.#countRequest(verb, code),
          }),
      });
      this.#api = armed.api;
      // If it is armed again later, it must be for the same pod and not for a successor.
      if (armed.outcome.kind === 'armed') this.#uid ??= armed.outcome.target?.uid;
      return { call: 'arm', outcome: armed.outcome };
    }
    const api = this.#api;
    if (call.kind === 'reserve') {
      return { call: 'reserve', reservation: await this.#reserve(api, call.id, call.key) };
    }
    if (api === undefined) throw new Error(`watchdog: ${call.kind} requested before it was armed`);
    switch (call.kind) {
      case 'read':
      case 'verify':
        return { call: call.kind, answer: await api.getPod() };
      case 'report': {
        const event = { ...call.event, at: this.#clock.wall() };
        return { call: 'report', answer: await api.createEvent(call.uid, event) };
      }
      case 'remove': {
        // Mounts may have recovered since the decision.
        const confirm = () => this.#machine.unhealthy.length > 0 && !this.#closing.signal.aborted;
        const removing = call.how === 'delete' ? api.deletePod : api.evictPod;
        return { call: 'remove', answer: await removing(call.uid, confirm) };
      }
    }
  }

  async #reserve(api: KubeApi | undefined, id: string, key: string | undefined): Promise<Reservation> {
    const { budget } = this.#settings;
    const environment = this.#environment;
    if (api === undefined || key === undefined || budget === undefined || environment === undefined) {
      return { kind: 'unreadable', detail: 'the API server was unreachable when the watchdog was armed' };
    }
    const entry = { id, pod: environment.pod, at: this.#clock.wall() };
    return reserve(api, environment.configMap, key, entry, budget);
  }

  #countRequest(verb: KubeVerb, code: string): void {
    this.#revision += 1;
    const key = `${verb} ${code}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
  }
}
