import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'release',
    include: ['src/**/*.spec.ts', 'src/**/*.e2e.ts'],
    // Many minutes long: npm run rehearse.
    exclude: ['src/rehearsal/rehearsal.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Its tests compile and pack for minutes: they come after those of other projects, which watch the clock.
    sequence: { groupOrder: 1 },
    // It imports JSON in a way that only bundlers understand.
    server: { deps: { inline: ['@actions/workflow-parser'] } },
  },
});
