import { markdownTable } from 'markdown-table';

/** A Markdown table, with a final line feed. A bar stays in its cell. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll(/(?<!\\)\|/g, String.raw`\|`)),
  );
  return `${markdownTable(cells, { alignDelimiters: false })}\n`;
}
