import type { KubeRequest, KubeTransport } from '../../src/watchdog/kube/client.ts';
import { parseRetryAfter, requestPath } from '../../src/watchdog/kube/client.ts';
import { KubeError } from '../../src/watchdog/kube/errors.ts';
import type { WatchdogClock } from '../../src/watchdog/watchdog.ts';
import type { FakeCluster } from './cluster.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when advanced. */
export class VirtualClock implements WatchdogClock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();
  readonly #startedAt: number;

  constructor(startedAt: number = Date.UTC(2026, 0, 1)) {
    this.#startedAt = startedAt;
  }

  monotonic(): number {
    return this.#now;
  }

  wall(): number {
    return this.#startedAt + this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    this.#order += 1;
    const timer: Timer = { at: this.#now + milliseconds, order: this.#order, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Advances the time, and runs everything that becomes due, in order. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const next = [...this.#timers]
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settle();
    }
    this.#now = end;
  }
}

/** Runs everything that only waits for promises. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const methods = { get: 'GET', create: 'POST', patch: 'PATCH', delete: 'DELETE' } as const;

/**
 * Reaches a fake cluster without a socket, on a virtual clock: a request takes effect after half of the latency, and
 * its answer arrives after the other half.
 */
export function virtualTransport(
  cluster: FakeCluster,
  clock: VirtualClock,
  options: {
    readonly latencyMs: () => number;
    readonly token: () => string;
    /** Called for each request when it is sent. */
    readonly onSend?: (request: KubeRequest) => void;
  },
): KubeTransport {
  return async (request) => {
    const path = requestPath(request);
    // The real one reads the credentials at this point.
    await new Promise<void>((resolve) => {
      clock.after(1, resolve);
      request.signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    return new Promise((resolve, reject) => {
      if (request.signal?.aborted === true) throw new KubeError('aborted', `${path}: aborted`);
      if (request.confirm?.() === false) throw new KubeError('withheld', 'taken back');
      options.onSend?.(request);
      const latency = options.latencyMs();
      const deadline = request.deadlineMs ?? 15_000;
      const cancelDeadline = clock.after(deadline, () =>
        reject(new KubeError('timeout', `${path}: timeout`)),
      );
      const abort = () => reject(new KubeError('aborted', `${path}: aborted`));
      request.signal?.addEventListener('abort', abort, { once: true });
      clock.after(latency / 2, () => {
        const outcome = cluster.handle({
          method: methods[request.verb],
          path,
          authorization: `Bearer ${options.token()}`,
          contentType: request.verb === 'patch' ? 'application/merge-patch+json' : 'application/json',
          body: request.body === undefined ? '' : JSON.stringify(request.body),
        });
        if (outcome.kind === 'silence') return;
        clock.after(latency / 2, () => {
          cancelDeadline();
          request.signal?.removeEventListener('abort', abort);
          if (outcome.kind === 'reply') {
            const retryAfterMs = parseRetryAfter(outcome.headers['Retry-After'], clock.wall());
            resolve({ status: outcome.status, body: outcome.body, retryAfterMs });
          } else reject(new KubeError('closed', `${path}: ${outcome.kind}`));
        });
      });
    });
  };
}
