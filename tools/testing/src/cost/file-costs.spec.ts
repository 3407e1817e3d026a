import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import budget from './budget.json' with { type: 'json' };
import { type CostBudget, type FileCost, overBudget, slowestFiles } from './file-costs.ts';

const ROOT = join(import.meta.dirname, '../../../..');

const cost = (file: string, wallSeconds: number, processorSeconds: number): FileCost => ({
  file,
  wallSeconds,
  processorSeconds,
});

describe('the cost of test files', () => {
  it('the cost of test files is listed for the slowest first, and summed up for all', () => {
    const table = slowestFiles([cost('a', 1, 0.5), cost('b', 100.04, 2), cost('c', 20, 30)], 2);
    expect(table.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['wall', 'processor', 'slowest files'],
      ['100.0 s', '2.0 s', 'b'],
      ['20.0 s', '30.0 s', 'c'],
      ['121.0 s', '32.5 s', 'all 3 files'],
    ]);
  });

  it('the cost of a test file is compared with its own budget, or else with the general one', () => {
    const costs = [cost('a', 0, 10), cost('b', 0, 10.1), cost('c', 0, 99)];
    const [only, ...more] = overBudget(costs, { anyFile: 10, files: { c: 100 } });
    expect(only).toMatch(/^b used 10\.1 s of processor time, over its budget of 10 s: /);
    expect(more).toEqual([]);
  });

  it('every per-file budget is for an existing file, and above the general one', () => {
    const files = new Set(globSync('{apps,libs,tools}/*/{src,e2e}/**/*.{spec,e2e}.ts', { cwd: ROOT }));
    expect(files.size).toBeGreaterThan(100);
    const own: CostBudget['files'] = budget.files;
    expect(Object.keys(own).filter((file) => !files.has(file))).toEqual([]);
    expect(Object.entries(own).filter(([, seconds]) => seconds <= budget.anyFile)).toEqual([]);
  });
});
