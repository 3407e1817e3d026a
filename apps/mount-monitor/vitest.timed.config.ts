import { defineProject } from 'vitest/config';

/**
 * These tests measure times, so no others run beside them. The soak takes a third of one processor, and must
 * work beside others: it runs while the abusers do.
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
    maxWorkers: 2,
  },
});
