const longestRetryAfterMs = 3_600_000;

/** Doubles the first wait for each failure, up to the longest one, in ms. */
export function backoff(failures: number, firstMs: number, longestMs: number): number {
  return Math.min(firstMs * 2 ** Math.min(failures, 40), longestMs);
}

/** Evictions may be refused for days, so the log of the attempts thins out. */
export function thinning(attempt: number): 'warn' | 'debug' {
  return Number.isInteger(Math.log2(attempt)) ? 'warn' : 'debug';
}

/** The wait that the API server requests, in ms; at most an hour. */
export function retryAfter({ retryAfterMs }: { readonly retryAfterMs?: number | undefined }): number {
  return Math.min(retryAfterMs ?? 0, longestRetryAfterMs);
}
