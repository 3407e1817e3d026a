import { setTimeout as sleep } from 'node:timers/promises';
import { RequestError } from '@octokit/request-error';

/** The parts of the outside world that waiting needs; tests bring their own. Times are milliseconds. */
export interface WaitClock {
  now(): number;
  sleep(milliseconds: number): Promise<unknown>;
  /** From 0 to less than 1. */
  random(): number;
}

/** The machine's clock. A wait ends when the signal is aborted. */
export function machineClock(signal: AbortSignal): WaitClock {
  return {
    now: () => Date.now(),
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }),
    random: () => Math.random(),
  };
}

/** At most so many tries of one operation. */
export const MAX_TRIES = 6;
/** Waiting for one operation ends after so many milliseconds in total. */
export const LONGEST_TOTAL_MS = 10 * 60_000;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const SECONDARY_LIMIT_MS = 60_000;
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What GitHub's answer says about asking again; undefined where that can't help. */
interface Transient {
  /** Milliseconds that GitHub asks to wait. */
  readonly askedMs: number;
}

/**
 * The one retry policy of the GitHub client. Octokit's plugins, as they were published in November 2026, were held against
 * it and left out:
 * - @octokit/plugin-retry 8.1.1 sends a POST again as it was. GitHub takes any number of drafts of one tag, and what a cut-off
 *   upload left makes the second answer 422, so that both need a look at what is there before each try; with these two
 *   excepted there would be two policies. It waits 1, 4 and 9 s, whatever `retry-after` asks for.
 *   https://github.com/octokit/plugin-retry.js/blob/v8.1.1/src/error-request.ts
 * - @octokit/plugin-throttling 11.0.5 hears of a limit by `x-ratelimit-remaining: 0` or by the words "secondary rate": a 429
 *   or 403 with `retry-after` alone is not retried, which GitHub's own advice says first. It writes once a second at most.
 *   https://github.com/octokit/plugin-throttling.js/blob/v11.0.5/src/index.ts
 * - Both wait in Bottleneck 2.19.5, which no signal reaches: an interrupted release would wait out the hour that a limit may
 *   take. Here the wait ends with the signal, and all waits of an operation have one bound.
 * - @octokit/plugin-paginate-rest 16.0.0 asks for every further page wherever the answer's `link` header says, with the token,
 *   without the signal and without a bound, and takes a 409 for the end of the list.
 *   https://github.com/octokit/plugin-paginate-rest.js/blob/v16.0.0/src/iterator.ts
 *
 * Runs an operation until it succeeds: connection errors, 408, 425, 429, 5xx and rate limits are retried, with
 * backoff, after what `retry-after` or `x-ratelimit-reset` ask for; bounded in tries and time. The last error is
 * thrown as it is. `told` hears of each wait.
 * https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  clock: WaitClock,
  told: (reason: string, delayMs: number) => void,
): Promise<T> {
  const startedAt = clock.now();
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const transient = transientOf(error, clock.now());
      if (transient === undefined || tries >= MAX_TRIES) throw error;
      const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (tries - 1));
      const delayMs = Math.max(Math.round(ceiling * (0.5 + clock.random() / 2)), transient.askedMs);
      if (clock.now() - startedAt + delayMs > LONGEST_TOTAL_MS) throw error;
      told(reasonOf(error), delayMs);
      await clock.sleep(delayMs);
    }
  }
}

/** Whether trying again may help, and how long GitHub asks to wait. */
export function transientOf(error: unknown, now: number): Transient | undefined {
  if (!(error instanceof RequestError)) return undefined;
  if (error.response === undefined) return isAborted(error) ? undefined : { askedMs: 0 };
  const headers = error.response.headers;
  const limited = limitMs(headers, now, error.message);
  if (error.status === 403) return limited === undefined ? undefined : { askedMs: limited };
  return TRANSIENT.has(error.status) ? { askedMs: limited ?? 0 } : undefined;
}

function limitMs(
  headers: Readonly<Record<string, string | number | undefined>>,
  now: number,
  message: string,
): number | undefined {
  const retryAfter = headers['retry-after'];
  if (retryAfter !== undefined && /^\d{1,9}$/.test(String(retryAfter))) return Number(retryAfter) * 1000;
  if (String(headers['x-ratelimit-remaining']) === '0') {
    const reset = Number(headers['x-ratelimit-reset']);
    // The reset is in whole seconds.
    if (Number.isFinite(reset)) return Math.max(0, (reset + 1) * 1000 - now);
  }
  return /secondary rate limit/i.test(message) ? SECONDARY_LIMIT_MS : undefined;
}

function isAborted(error: Error): boolean {
  return error.name === 'AbortError' || (error.cause instanceof Error && isAborted(error.cause));
}

function reasonOf(error: unknown): string {
  if (error instanceof RequestError && error.response !== undefined) return `HTTP ${error.status}`;
  return error instanceof Error ? error.message : String(error);
}
