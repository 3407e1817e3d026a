import { defineProject } from 'vitest/config';

/** These hold the monitor to its times: no other file runs beside them. */
export const timed = ['mounts', 'rhythm', 'abuse', 'scale', 'soak'].map((name) => `e2e/${name}.e2e.ts`);

export default defineProject({
  test: {
    name: 'mount-monitor-timed',
    include: timed,
    globalSetup: ['testing/compile.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // They come last, one after the other.
    sequence: { groupOrder: 2 },
    fileParallelism: false,
  },
});
