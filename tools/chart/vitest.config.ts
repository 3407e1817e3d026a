import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'chart',
    include: ['src/**/*.spec.ts', 'src/**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
