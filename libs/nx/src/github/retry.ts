import { setTimeout as sleep } from 'node:timers/promises';
import { RequestError } from '@octokit/request-error';

/** What waiting needs from the outside world; tests supply their own. Times are milliseconds. */
export interface WaitClock {
  now(): number;
  sleep(milliseconds: number): Promise<unknown>;
  /** At least 0 and less than 1. */
  random(): number;
}

/** The machine's clock. A wait ends early if the signal is aborted. */
export function machineClock(signal: AbortSignal): WaitClock {
  return {
    now: () => Date.now(),
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }),
    random: () => Math.random(),
  };
}

/** The maximum number of tries of one operation. */
export const MAX_TRIES = 6;
/** The longest total wait for one operation, in milliseconds. */
export const LONGEST_TOTAL_MS = 10 * 60_000;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const SECONDARY_LIMIT_MS = 60_000;
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What GitHub's response says about retrying. */
interface Transient {
  /** How long GitHub asks to wait, in milliseconds. */
  readonly askedMs: number;
}

/**
 * The GitHub client's only retry policy. Octokit's plugins, as published in November 2026, were compared with it and
 * are not used:
 * - @octokit/plugin-retry 8.1.1 simply sends a POST again. GitHub accepts any number of drafts for one tag, and what an
 *   interrupted upload left behind makes the second try fail with 422, so both need a look at what is there before each
 *   try. With these two exempted, there would be two policies. It waits 1, 4 and 9 s, whatever `retry-after` says.
 *   https://github.com/octokit/plugin-retry.js/blob/v8.1.1/src/error-request.ts
 * - @octokit/plugin-throttling 11.0.5 recognizes a limit by `x-ratelimit-remaining: 0` or by the words "secondary
 *   rate". It does not retry a 429 or 403 with `retry-after` alone, although GitHub's own advice starts with that
 *   header. It sends at most one write per second.
 *   https://github.com/octokit/plugin-throttling.js/blob/v11.0.5/src/index.ts
 * - Both wait in Bottleneck 2.19.5, which ignores abort signals: an interrupted release would wait out the hour that a
 *   limit may take. Here, the signal ends the wait, and one bound covers all waits of an operation.
 * - @octokit/plugin-paginate-rest 16.0.0 requests every further page from wherever the response's `link` header says,
 *   with the token, without the signal and without a bound, and treats a 409 as the end of the list.
 *   https://github.com/octokit/plugin-paginate-rest.js/blob/v16.0.0/src/iterator.ts
 *
 * Runs an operation until it succeeds. Connection errors, 408, 425, 429, 5xx and rate limits are retried with backoff,
 * no sooner than `retry-after` or `x-ratelimit-reset` allows, with limits on tries and time. Throws the last error
 * unchanged. Calls `told` before each wait.
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

/** How long GitHub asks to wait before a retry; undefined if a retry can't help. */
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
