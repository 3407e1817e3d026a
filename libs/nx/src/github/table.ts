import { markdownTable } from 'markdown-table';

/** A column's title; one that begins with `>` holds numbers and is set to the right. */
type Title = string;

/**
 * Lines of a Markdown table as GitHub shows it. A cell stays one: what would open another, or end its line, is written
 * so that it does not. https://github.github.com/gfm/#tables-extension-
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
  // A bar that is escaped already stays as it is.
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ').replaceAll(/(?<!\\)((?:\\\\)*)\|/g, String.raw`$1\|`);
}
