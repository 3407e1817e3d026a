import { availableParallelism } from 'node:os';
import { defineProject } from 'vitest/config';
import { timed } from './vitest.timed.config.ts';

export default defineProject({
  test: {
    name: 'mount-monitor',
    include: ['src/**/*.spec.ts', 'e2e/**/*.e2e.ts'],
    exclude: timed,
    // At least two, because these tests wait much more than they compute.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['testing/compile.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
