/** A clock that passes no real time: `now` in milliseconds since 1970, and every wait so far. */
export interface SleepingClock {
  readonly slept: readonly number[];
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  random(): number;
}

/** A clock on which time passes by sleeping only, so that long waits take none; and the waits so far, in ms. */
export function sleepingClock(now = Date.now()): SleepingClock {
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
