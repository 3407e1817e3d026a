import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './tools/engine/src/closing-line-reporter.ts';

// Two at least: these tests wait for other programs as much as they compute.
const maxWorkers = Math.max(2, availableParallelism() - 1);

export default defineConfig({
  test: {
    projects: [
      // The sidecar's tests watch the clock: they share the machine with none of the others, which compile and pack.
      'apps/*/vitest.config.ts',
      'apps/*/vitest.timed.config.ts',
      ...globSync('{libs,tools}/*/vitest.config.ts', { cwd: import.meta.dirname }).map((config) => ({
        extends: `./${config}`,
        root: `./${dirname(config)}`,
        test: { name: basename(dirname(config)), maxWorkers, sequence: { groupOrder: 1 } },
      })),
    ],
    reporters: ['default', new ClosingLineReporter()],
  },
});
