import { defineProject } from 'vitest/config';

export default defineProject({
  test: {
    name: 'oci',
    include: ['src/**/*.spec.ts', 'e2e/**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
