import { appendFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule, TestSuite } from 'vitest/node';

/** What became of a run's tests. A hook or a file that failed counts as one failure. */
export interface RunCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Ends a run's output with one line, `N passed, N failed, N skipped`. Where CLOSING_LINE_FILE names a file the line
 * goes there instead, for a caller that prints more after the tests.
 */
export class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const line = `${closingLine(countTests(modules, unhandled.length))}\n`;
    const file = process.env.CLOSING_LINE_FILE;
    if (file === undefined || file === '') process.stdout.write(line);
    else appendFileSync(file, line);
  }
}

/** The counts as one line. */
export function closingLine({ passed, failed, skipped }: RunCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Counts every test of the files, and what failed outside of a test. A test that never came to its end failed. */
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
