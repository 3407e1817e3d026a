import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { ClosingLineReporter } from './tools/testing/src/closing-line-reporter.ts';
import budget from './tools/testing/src/cost/budget.json' with { type: 'json' };

// More than there are processors: these tests wait for other programs, deadlines and disks more than they compute.
const maxWorkers = availableParallelism() + 2;

const setupFiles = [join(import.meta.dirname, 'tools/testing/src/cost/measure-file.ts')];

// They take minutes each: started last, they would leave a processor idle at the end.
const LONGEST = [
  'rehearsal.e2e.ts',
  'rehearsal-stranger.e2e.ts',
  'stranger.e2e.ts',
  'parity.e2e.ts',
  'debian-registry.e2e.ts',
  'faults.spec.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.indexOf(basename(moduleId));
      return place < 0 ? LONGEST.length : place;
    };
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    return (await super.sort(files)).sort((a, b) => group(a) - group(b) || rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    projects: globSync('{apps,libs,tools}/*/vitest*.config.ts', { cwd: import.meta.dirname }).map(
      (config) => {
        // They watch the clock: they come last, and say themselves how many run side by side.
        const timed = config.endsWith('.timed.config.ts');
        const name = `${basename(dirname(config))}${timed ? '-timed' : ''}`;
        return {
          extends: `./${config}`,
          root: `./${dirname(config)}`,
          test: { name, setupFiles, ...(timed ? {} : { maxWorkers }) },
        };
      },
    ),
    sequence: { sequencer: LongestFirst },
    reporters: ['default', new ClosingLineReporter(budget)],
  },
});
