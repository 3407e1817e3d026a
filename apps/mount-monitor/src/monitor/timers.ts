/** Cancels a timer; harmless once it has fired. */
export type CancelTimer = () => void;

/** The longest delay that setTimeout supports, in ms; a longer one would fire immediately. */
const longestTimerMs = 2 ** 31 - 1;

/** Calls back once after that many ms (at most 24 days), or right away if negative, as for a time in the past. */
export function after(milliseconds: number, callback: () => void): CancelTimer {
  const timer = setTimeout(callback, Math.max(0, Math.min(milliseconds, longestTimerMs)));
  return () => clearTimeout(timer);
}
