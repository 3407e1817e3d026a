import { defineProject } from 'vitest/config';

/** These hold the monitor to its times, each beside what the machine itself is late by: no file that compiles runs beside them. */
export const timed = ['mounts', 'rhythm', 'abuse', 'scale', 'soak'].map((name) => `e2e/${name}.e2e.ts`);

export default defineProject({
  test: {
    name: 'mount-monitor-timed',
    include: timed,
    globalSetup: ['testing/compile.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // They come last, two at a time, since they mostly wait.
    sequence: { groupOrder: 1 },
    maxWorkers: 2,
  },
});
