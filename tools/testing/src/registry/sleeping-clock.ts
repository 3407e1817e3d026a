/** A clock without real time: `now` in ms since 1970, and every wait so far. */
export interface SleepingClock {
  readonly slept: readonly number[];
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  random(): number;
}

/** Makes a clock that only advances by sleeping, so that long waits take no real time. Waits are in ms. */
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
