import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './tools/engine/src/closing-line-reporter.ts';

export default defineConfig({
  test: {
    projects: [
      'apps/*/vitest.config.ts',
      'apps/*/vitest.timed.config.ts',
      'libs/*/vitest.config.ts',
      'tools/*/vitest.config.ts',
    ],
    reporters: ['default', new ClosingLineReporter()],
  },
});
