import { defineProject } from 'vitest/config';

/** These tests measure times, so no other file runs in parallel. */
export const timed = ['rhythm', 'abuse', 'scale', 'soak'].map((name) => `e2e/${name}.e2e.ts`);

export default defineProject({
  test: {
    name: 'mount-monitor-timed',
    include: timed,
    globalSetup: ['testing/compile.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // They run last, one after another.
    sequence: { groupOrder: 2 },
    fileParallelism: false,
  },
});
