import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { ClosingLineReporter } from './tools/testing/src/closing-line-reporter.ts';
import budget from './tools/testing/src/cost/budget.json' with { type: 'json' };

// At least three: these tests wait for other programs as much as they compute. Four on two processors take just as long,
// and run into their own deadlines.
const maxWorkers = Math.max(3, availableParallelism());

const setupFiles = ['cost/measure-file.ts', 'leave-as-found.ts'].map((file) =>
  join(import.meta.dirname, 'tools/testing/src', file),
);

// Huge pages for what the C library allocates: whenever a process starts a program, Linux copies the table of its pages
// (measured: 7% less CPU time of a spec that runs git a thousand times).
const HUGE_PAGES = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };

/** Specs share a process, so that their imports are loaded once (measured: half the CPU time of small specs). */
const KINDS = [
  { suffix: '', others: '**/*.e2e.ts', isolate: false },
  { suffix: '-e2e', others: '**/*.spec.ts', isolate: true },
];

// Each takes long: started last, it would leave a processor idle at the end.
const LONGEST = [
  // The sidecar's, which wait.
  'watchdog.e2e.ts',
  'hostile.e2e.ts',
  'log-output.e2e.ts',
  'probes.e2e.ts',
  'watchdog.property.spec.ts',
  // Everything else.
  'rehearsal.e2e.ts',
  'rehearsal-stranger.e2e.ts',
  'stranger.e2e.ts',
  'parity.e2e.ts',
  'debian-registry.e2e.ts',
  'faults.spec.ts',
  'skopeo.e2e.ts',
  // Those that run last.
  'abuse.e2e.ts',
  'soak.e2e.ts',
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
    projects: globSync('{apps,libs,tools}/*/vitest*.config.ts', { cwd: import.meta.dirname }).flatMap(
      (config) => {
        const project = { extends: `./${config}`, root: `./${dirname(config)}` };
        const folder = basename(dirname(config));
        // The sidecar's tests are timing-sensitive: they never run alongside the others, which compile and pack.
        if (config.startsWith('apps/')) {
          const name = `${folder}${config.endsWith('.timed.config.ts') ? '-timed' : ''}`;
          return { ...project, test: { name, setupFiles } };
        }
        return KINDS.map(({ suffix, others, isolate }) => ({
          ...project,
          test: {
            name: `${folder}${suffix}`,
            exclude: [...configDefaults.exclude, others],
            isolate,
            setupFiles,
            maxWorkers,
            env: HUGE_PAGES,
            sequence: { groupOrder: 1 },
          },
        }));
      },
    ),
    sequence: { sequencer: LongestFirst },
    reporters: ['default', new ClosingLineReporter(budget)],
  },
});
