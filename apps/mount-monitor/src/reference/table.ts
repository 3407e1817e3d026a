import { markdownTable } from 'markdown-table';

/** Generates a Markdown table with a final line feed. A `|` stays inside its cell. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll(/(?<!\\)\|/g, String.raw`\|`)),
  );
  return `${markdownTable(cells, { alignDelimiters: false })}\n`;
}
