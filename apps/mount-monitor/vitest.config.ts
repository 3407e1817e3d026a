import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'mount-monitor',
    include: ['src/**/*.spec.ts', 'src/**/*.e2e.ts'],
    // Run alone: vitest.timed.config.ts.
    exclude: ['src/mounts.e2e.ts', 'src/rhythm.e2e.ts'],
    globalSetup: ['src/testing/compile.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
