import type { RetryClock } from '../registry/retry.ts';

/** A clock on which time passes by sleeping only, so that long waits take none; and the waits so far, in ms. */
export function sleepingClock(now = Date.now()): RetryClock & { readonly slept: readonly number[] } {
  const slept: number[] = [];
  let time = now;
  return {
    slept,
    now: () => time,
    random: () => 0.5,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      time += milliseconds;
    },
  };
}
