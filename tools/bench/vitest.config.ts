import { defineProject } from 'vitest/config';

export default defineProject({
  test: { name: 'bench', include: ['src/**/*.spec.ts'], testTimeout: 60_000 },
});
