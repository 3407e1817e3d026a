import { benchesFor, NAMES, SIZE_NAMES } from './benches/index.ts';
import { formatReport, type Report, replaceBlock, sizesTable, summaryTable } from './report.ts';
import { mergeResults, type Results } from './results.ts';

const inOrder = (recorded: Results): Results => mergeResults(recorded, { results: [], growth: [] }, NAMES);

/** Generates docs/performance.md and its charts from bench/results.json. */
export function reportOf(recorded: Results): Report {
  const remarks = new Map(
    benchesFor('PATH').flatMap(({ name, remark }) => (remark === undefined ? [] : [[name, remark] as const])),
  );
  return formatReport(inOrder(recorded), remarks);
}

/** Regenerates the README's block of figures from bench/results.json: sizes first, then the rest. */
export function readmeWith(recorded: Results, readme: string): string {
  const { results } = inOrder(recorded);
  const isSize = ({ name }: { readonly name: string }) => SIZE_NAMES.includes(name);
  const others = summaryTable(results.filter((result) => !isSize(result)));
  const sizes = results.filter(isSize);
  return replaceBlock(readme, sizes.length === 0 ? others : `${sizesTable(sizes)}\n\n${others}`);
}
