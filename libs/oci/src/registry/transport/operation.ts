import { OciError } from '../../errors.ts';

/**
 * One operation that a caller requested, with all its tries, tokens, redirects and pages: its name, and the budget of
 * time and bytes that they share.
 */
export interface Operation {
  readonly name: string;
  /** Aborted, with the error as the reason, once the time is used up or the run is asked to end. */
  readonly signal: AbortSignal;
  /**
   * Counts bytes from a registry that are held in memory. Throws `REGISTRY_RESPONSE` once there are more than allowed.
   */
  spend(bytes: number): void;
  /** Stops the clock. */
  end(): void;
}

/** The limits of an operation: its time in milliseconds, and the bytes held in memory. */
export interface OperationLimits {
  readonly ms: number;
  readonly bytes: number;
}

// With a lower average than this over a whole blob, the transfer counts as stalled.
const MIN_BYTES_PER_SECOND = 16 * 1024;

/** The additional time in ms that transferring `bytes` may take. */
export function transferMs(bytes: number): number {
  return Math.ceil((bytes / MIN_BYTES_PER_SECOND) * 1000);
}

/** Begins an operation within its limits; it ends by `end`, by `signal`, or when its time is up. */
export function beginOperation(name: string, limits: OperationLimits, signal: AbortSignal): Operation {
  const control = new AbortController();
  const late = (): void =>
    control.abort(
      new OciError(
        'REGISTRY_UNAVAILABLE',
        `${name}: did not finish within ${Math.ceil(limits.ms / 1000)} s, including retries and waits`,
        { hint: 'Run it again once the registry responds faster: finished work is kept.' },
      ),
    );
  // 2^31 - 1 ms is the longest possible timer.
  const timer = setTimeout(late, Math.min(limits.ms, 2 ** 31 - 1));
  timer.unref();
  const abort = (): void => control.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  let spent = 0;
  return {
    name,
    signal: control.signal,
    spend(bytes) {
      spent += bytes;
      if (spent <= limits.bytes) return;
      throw new OciError(
        'REGISTRY_RESPONSE',
        `${name}: expected responses of at most ${limits.bytes} bytes in total, found more`,
      );
    },
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}
