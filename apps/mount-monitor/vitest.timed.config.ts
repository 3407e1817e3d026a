import { defineProject } from 'vitest/config';

/**
 * These tests measure times, so no others run beside them. Together they leave a quarter of two processors idle, and
 * each allows for the times when the machine itself is late.
 */
export const timed = ['abuse', 'soak', 'hanging'].map((name) => `e2e/${name}.e2e.ts`);

export default defineProject({
  test: {
    name: 'mount-monitor-timed',
    include: timed,
    globalSetup: ['testing/compile.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // They run last, in this order.
    sequence: { groupOrder: 2 },
    maxWorkers: 3,
  },
});
