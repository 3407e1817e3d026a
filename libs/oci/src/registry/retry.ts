/** The outside functions that waiting needs; tests bring their own. */
export interface RetryClock {
  /** Milliseconds since 1970. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  /** From 0 to less than 1. */
  random(): number;
}

/** How often and for how long a request is tried. Times are in milliseconds. */
export interface RetryLimits {
  readonly tries: number;
  readonly totalMs: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** The time that an operation may take with all its tries and waits, on top of what its bytes need. */
  readonly operationMs: number;
}

/** The retry limits for publishing. */
export const DEFAULT_RETRY_LIMITS: RetryLimits = {
  tries: 6,
  totalMs: 5 * 60_000,
  firstDelayMs: 500,
  longestDelayMs: 30_000,
  operationMs: 10 * 60_000,
};

const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([
  // 520 to 524, 529 and 530 are what Cloudflare returns if the server behind it does not respond.
  408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530,
]);

const TRANSIENT_ERRORS: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'HPE_INVALID_CONSTANT',
  'HPE_INVALID_EOF_STATE',
]);

/** Whether a request with this response status may succeed if retried. */
export function isTransientStatus(status: number): boolean {
  return TRANSIENT_STATUSES.has(status);
}

/** Whether an error is a connection error that may not occur again if retried. */
export function isTransientError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code !== undefined && TRANSIENT_ERRORS.has(code)) return true;
  if (error instanceof AggregateError && error.errors.some(isTransientError)) return true;
  return error.cause !== undefined && isTransientError(error.cause);
}

/**
 * The milliseconds that a `Retry-After` header asks for, given as seconds, a date, or seconds since 1970 as Docker Hub
 * writes them; undefined for anything else, such as GHCR's "880.092µs".
 * https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  if (/^[1-9]\d{9}$/.test(text)) return Math.max(0, Number(text) * 1000 - now);
  const date = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The next step of a request: waiting for some milliseconds, or giving up because of a limit. */
export type RetryDecision =
  | { readonly next: 'wait'; readonly delayMs: number }
  | { readonly next: 'give-up'; readonly because: string };

/**
 * Decides what to do after a failed try: exponential backoff with jitter, and at least the wait that the server asked
 * for. A wait that would exceed the total is not started.
 */
export function decideRetry(
  state: { readonly tries: number; readonly startedAt: number; readonly askedMs: number | undefined },
  limits: RetryLimits,
  clock: Pick<RetryClock, 'now' | 'random'>,
): RetryDecision {
  if (state.tries >= limits.tries) return { next: 'give-up', because: `after ${state.tries} tries` };
  const ceiling = Math.min(limits.longestDelayMs, limits.firstDelayMs * 2 ** (state.tries - 1));
  const delayMs = Math.max(Math.round(ceiling * (0.5 + clock.random() / 2)), state.askedMs ?? 0);
  const elapsed = clock.now() - state.startedAt;
  if (elapsed + delayMs > limits.totalMs) {
    return {
      next: 'give-up',
      because: `after ${state.tries} ${state.tries === 1 ? 'try' : 'tries'}: waiting ${Math.ceil(delayMs / 1000)} s more would exceed the limit of ${Math.ceil(limits.totalMs / 1000)} s`,
    };
  }
  return { next: 'wait', delayMs };
}
