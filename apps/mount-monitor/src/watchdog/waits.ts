const longestRetryAfterMs = 3_600_000;

/** Doubles from the first wait, up to the longest, in ms. */
export function backoff(failures: number, firstMs: number, longestMs: number): number {
  return Math.min(firstMs * 2 ** Math.min(failures, 40), longestMs);
}

/** An eviction may be refused for days: the log of its attempts thins out. */
export function thinning(attempt: number): 'warn' | 'debug' {
  return Number.isInteger(Math.log2(attempt)) ? 'warn' : 'debug';
}

/** What the API server asks to wait, in ms; at most an hour. */
export function retryAfter({ retryAfterMs }: { readonly retryAfterMs?: number | undefined }): number {
  return Math.min(retryAfterMs ?? 0, longestRetryAfterMs);
}
