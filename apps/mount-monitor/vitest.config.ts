import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'mount-monitor',
    include: ['src/**/*.spec.ts', 'e2e/**/*.e2e.ts'],
    // Run alone: vitest.timed.config.ts.
    exclude: ['e2e/mounts.e2e.ts', 'e2e/rhythm.e2e.ts'],
    globalSetup: ['testing/compile.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
