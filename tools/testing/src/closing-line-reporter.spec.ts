import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startVitest } from 'vitest/node';
import { ClosingLineReporter } from './closing-line-reporter.ts';
import type { CostBudget } from './cost/file-costs.ts';

describe('the closing line', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'closing-line-'));
  });
  afterEach(async () => {
    delete process.env.CLOSING_LINE_FILE;
    await rm(folder, { recursive: true });
  });

  /** Runs test files for real and returns the closing line. */
  async function closingLineOf(
    files: Readonly<Record<string, string>>,
    budget: CostBudget = { anyFile: 100, files: {} },
  ): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(
        join(folder, name),
        `import { beforeAll, describe, expect, it } from 'vitest';\n${text}`,
      );
    }
    const file = join(folder, 'line');
    process.env.CLOSING_LINE_FILE = file;
    const code = process.exitCode;
    const vitest = await startVitest('test', [], {
      root: folder,
      config: false,
      include: ['*.test.ts'],
      watch: false,
      setupFiles: [join(import.meta.dirname, 'cost/measure-file.ts')],
      reporters: [new ClosingLineReporter(budget)],
    });
    await vitest.close();
    process.exitCode = code;
    return readFile(file, 'utf8');
  }

  it('the closing line counts every test in every file', async () => {
    const line = await closingLineOf({
      'a.test.ts': `
        it('a', () => {});
        it('b', () => expect(1).toBe(2));
        it('c', ({ skip }) => skip('because'));
        it.todo('d');
        describe('e', () => { it('f', () => {}); it.skip('g', () => {}); });`,
      'b.test.ts': `it('a', () => {});`,
    });
    expect(line).toBe('3 passed, 1 failed, 3 skipped\n');
  });

  it('the closing line counts a file that can’t be loaded as a failure', async () => {
    expect(await closingLineOf({ 'a.test.ts': `throw new Error('broken');` })).toBe(
      '0 passed, 1 failed, 0 skipped\n',
    );
  });

  it('the closing line counts a failed hook, and the tests that it kept from running', async () => {
    const line = await closingLineOf({
      'a.test.ts': `describe('a', () => { beforeAll(() => { throw new Error('no'); }); it('b', () => {}); });`,
    });
    expect(line).toBe('0 passed, 1 failed, 1 skipped\n');
  });

  it('the closing line counts an error outside of any test', async () => {
    const line = await closingLineOf({
      'a.test.ts': `it('a', async () => { setTimeout(() => { throw new Error('late'); }, 1); await new Promise((r) => setTimeout(r, 200)); });`,
    });
    expect(line).toBe('1 passed, 1 failed, 0 skipped\n');
  });

  it('the closing line counts a file that exceeds its CPU time budget', async () => {
    const files = { 'a.test.ts': `it('a', () => {});`, 'b.test.ts': `it('a', () => {});` };
    // Startup alone takes more than this.
    const line = await closingLineOf(files, { anyFile: 0.01, files: { 'b.test.ts': 100 } });
    expect(line).toBe('2 passed, 1 failed, 0 skipped\n');
  });
});
