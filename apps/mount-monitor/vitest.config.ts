import { availableParallelism } from 'node:os';
import { defineProject } from 'vitest/config';
import { timed } from './vitest.timed.config.ts';

export default defineProject({
  test: {
    name: 'mount-monitor',
    include: ['src/**/*.spec.ts', 'e2e/**/*.e2e.ts'],
    exclude: timed,
    // These tests wait much more than they compute.
    maxWorkers: 3 * availableParallelism(),
    globalSetup: ['testing/compile.ts'],
    maxConcurrency: 10,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
