import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'nx',
    include: ['src/**/*.spec.ts', 'e2e/**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // It imports JSON in a way that only bundlers understand.
    server: { deps: { inline: ['@actions/workflow-parser'] } },
  },
});
