import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, SerializedError, TestModule, TestSuite, Vitest } from 'vitest/node';
import { type CostBudget, type FileCost, overBudget, slowestFiles } from './cost/file-costs.ts';
import { machineUse } from './cost/processor-time.ts';

/** The test results of a run. A failed hook or file counts as one failure. */
export interface RunCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** How many of the slowest files to list. */
const SLOWEST = 15;

/**
 * Ends a run's output with the slowest files, the files that exceeded their CPU time budget (each counts as a failure),
 * and one line, `N passed, N failed, N skipped`. If CLOSING_LINE_FILE names a file, the line goes there instead, for
 * callers that print more after the tests.
 */
export class ClosingLineReporter implements Reporter {
  readonly #budget: CostBudget;
  #root = process.cwd();
  #before = machineUse();

  constructor(budget: CostBudget) {
    this.#budget = budget;
  }

  onInit(vitest: Vitest): void {
    this.#root = vitest.config.root;
  }

  onTestRunStart(): void {
    this.#before = machineUse();
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const costs = modules.map((module) => costOf(module, this.#root));
    const { busy, idle } = machineUse(this.#before);
    process.stdout.write(`\n${slowestFiles(costs, SLOWEST)}\n`);
    process.stdout.write(
      `the machine's processors: busy ${busy.toFixed(0)} s, idle ${idle.toFixed(0)} s\n\n`,
    );
    const exceeded = overBudget(costs, this.#budget);
    if (exceeded.length > 0) {
      process.stdout.write(exceeded.map((message) => `error: ${message}\n`).join(''));
      process.exitCode = 1;
    }
    const line = `${closingLine(countTests(modules, unhandled.length + exceeded.length))}\n`;
    const file = process.env.CLOSING_LINE_FILE;
    if (file === undefined || file === '') process.stdout.write(line);
    else appendFileSync(file, line);
  }
}

/** Formats the counts as one line. */
export function closingLine({ passed, failed, skipped }: RunCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Counts every test in the files, and failures outside of tests. A test that never finished counts as failed. */
export function countTests(modules: readonly TestModule[], unhandledErrors: number): RunCounts {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  for (const module of modules) {
    failed += [module, ...module.children.allSuites()].filter(failedItself).length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'skipped') skipped += 1;
      else failed += 1;
    }
  }
  return { passed, failed, skipped };
}

function failedItself(suite: TestModule | TestSuite): boolean {
  return suite.errors().length > 0;
}

function costOf(module: TestModule, root: string): FileCost {
  const { prepareDuration, environmentSetupDuration, setupDuration, collectDuration, duration } =
    module.diagnostic();
  const milliseconds =
    prepareDuration + environmentSetupDuration + setupDuration + collectDuration + duration;
  return {
    file: relative(root, module.moduleId),
    wallSeconds: milliseconds / 1000,
    // A file that could not be loaded has no measurement.
    processorSeconds: module.meta().processorSeconds ?? 0,
  };
}
