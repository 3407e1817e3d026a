import { markdownTable } from 'markdown-table';

/** A column's title. A column of numbers starts with `>` and is right-aligned. */
type Title = string;

/**
 * The lines of a Markdown table for GitHub. Each cell stays a single cell: anything that would start another cell or
 * end the line is escaped. https://github.github.com/gfm/#tables-extension-
 */
export function tableLines(
  titles: readonly Title[],
  rows: readonly (readonly (string | number)[])[],
): readonly string[] {
  const heads = titles.map((title) => title.replace(/^>/, ''));
  const cells = [heads, ...rows].map((row) => row.map((cell) => inOneCell(String(cell))));
  return markdownTable(cells, {
    align: titles.map((title) => (title.startsWith('>') ? 'r' : null)),
    alignDelimiters: false,
  }).split('\n');
}

function inOneCell(text: string): string {
  // Leave a bar that is already escaped unchanged.
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ').replaceAll(/(?<!\\)((?:\\\\)*)\|/g, String.raw`$1\|`);
}
