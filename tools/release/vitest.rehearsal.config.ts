import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'rehearsal',
    include: ['src/rehearsal/rehearsal.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // It imports JSON in a way that only bundlers understand.
    server: { deps: { inline: ['@actions/workflow-parser'] } },
  },
});
