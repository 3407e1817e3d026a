import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'mount-monitor-timed',
    include: ['e2e/mounts.e2e.ts', 'e2e/rhythm.e2e.ts'],
    globalSetup: ['testing/compile.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Its tests hold the monitor to its times: they come last, one after the other, and no other file runs beside them.
    sequence: { groupOrder: 2 },
    fileParallelism: false,
  },
});
