import { OciError } from '../../errors.ts';

/**
 * One thing that a caller asked for, with all its tries, tokens, redirects and pages: its name, and the one budget of
 * time and bytes that they share.
 */
export interface Operation {
  readonly name: string;
  /** Aborted, with the error as reason, once the time is used up or the run is asked to end. */
  readonly signal: AbortSignal;
  /** Counts bytes that a registry made us hold. Throws `REGISTRY_RESPONSE` once they are more than allowed. */
  spend(bytes: number): void;
  /** Ends the clock. */
  end(): void;
}

/** How much an operation may take: milliseconds, and bytes held in memory. */
export interface OperationLimits {
  readonly ms: number;
  readonly bytes: number;
}

// Less on average than this over a whole blob, and nothing moves any more.
const MIN_BYTES_PER_SECOND = 16 * 1024;

/** The time that moving `bytes` may take beyond that of an operation that moves none, in ms. */
export function transferMs(bytes: number): number {
  return Math.ceil((bytes / MIN_BYTES_PER_SECOND) * 1000);
}

/** Begins an operation within its limits; ended by `end`, by `signal`, or by its time. */
export function beginOperation(name: string, limits: OperationLimits, signal: AbortSignal): Operation {
  const control = new AbortController();
  const late = (): void =>
    control.abort(
      new OciError(
        'REGISTRY_UNAVAILABLE',
        `${name}: not done within ${Math.ceil(limits.ms / 1000)} s, retries and waits included`,
        { hint: 'Run it again once the registry answers faster: what is done is kept.' },
      ),
    );
  // 2^31 - 1 ms is the longest that a timer takes.
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
        `${name}: expected answers of at most ${limits.bytes} bytes in all, found more`,
      );
    },
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}
