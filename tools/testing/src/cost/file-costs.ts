/** What one test file cost. */
export interface FileCost {
  /** Its path from the workspace's root. */
  readonly file: string;
  /** From its start, with what it imports, to the end of its last test. */
  readonly wallSeconds: number;
  /** Of its process and the programs that it started. */
  readonly processorSeconds: number;
}

/** What files may use, in processor seconds: they are much the same on a busy machine as on a quiet one. */
export interface CostBudget {
  /** Any file that is not among `files`. */
  readonly anyFile: number;
  /** By the file's path from the workspace's root. */
  readonly files: Readonly<Record<string, number>>;
}

/** The slowest files by wall time as a table, with what each used of the processors, and the sum of all files. */
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
    return `${file} used ${processorSeconds.toFixed(1)} s of processor time, its budget is ${allowed} s: make it cheaper, or give it more in tools/testing/src/cost/budget.json`;
  });
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`.padStart(9);
}
