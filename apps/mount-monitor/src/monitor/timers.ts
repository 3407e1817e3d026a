/** Ends a timer early; harmless once it has fired. */
export type CancelTimer = () => void;

/** The longest wait that setTimeout keeps, in ms; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Calls back once after so many ms (at most 24 days); soon where that is less than none, as with a moment that has passed. */
export function after(milliseconds: number, callback: () => void): CancelTimer {
  const timer = setTimeout(callback, Math.max(0, Math.min(milliseconds, longestTimerMs)));
  return () => clearTimeout(timer);
}
