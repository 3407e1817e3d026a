/** The cost of one test file. */
export interface FileCost {
  /** Its path from the workspace's root. */
  readonly file: string;
  /** From its start, imports included, to the end of its last test. */
  readonly wallSeconds: number;
  /** CPU time of its process and the programs that it started. */
  readonly processorSeconds: number;
}

/** Budgets for files in seconds of CPU time, which is much the same on busy and quiet machines. */
export interface CostBudget {
  /** For any file that is not in `files`. */
  readonly anyFile: number;
  /** By the file's path from the workspace's root. */
  readonly files: Readonly<Record<string, number>>;
}

/** A table of the slowest files by wall time, with the CPU time of each, and the sum over all files. */
export function slowestFiles(costs: readonly FileCost[], count: number): string {
  const slowest = costs.toSorted((a, b) => b.wallSeconds - a.wallSeconds).slice(0, count);
  const sum = (of: (cost: FileCost) => number) => costs.reduce((total, cost) => total + of(cost), 0);
  const rows = [
    ...slowest,
    {
      file: `all ${costs.length} files`,
      wallSeconds: sum(({ wallSeconds }) => wallSeconds),
      processorSeconds: sum(({ processorSeconds }) => processorSeconds),
    },
  ].map(
    ({ file, wallSeconds, processorSeconds }) =>
      `${seconds(wallSeconds)}  ${seconds(processorSeconds)}  ${file}`,
  );
  return [`${'wall'.padStart(9)}  ${'processor'.padStart(9)}  slowest files`, ...rows].join('\n');
}

/** One message for each file that used more than its budget. */
export function overBudget(costs: readonly FileCost[], budget: CostBudget): readonly string[] {
  return costs.flatMap(({ file, processorSeconds }) => {
    const allowed = budget.files[file] ?? budget.anyFile;
    if (processorSeconds <= allowed) return [];
    return `${file} used ${processorSeconds.toFixed(1)} s of processor time, over its budget of ${allowed} s: make it cheaper, or raise the budget in tools/testing/src/cost/budget.json`;
  });
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`.padStart(9);
}
