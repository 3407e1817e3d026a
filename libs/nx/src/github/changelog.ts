// Finds the start of a version as Nx's own changelog parser does: a heading that starts with the version, perhaps in
// brackets.
const HEADING = /^#{1,6}[ \t]*\[?v?(\d+\.\d+\.\d+[^\s\])]*)\]?/;

/**
 * A version's entry in a changelog written by Nx, without the version's own heading; undefined if the version is
 * missing or its entry is empty. https://nx.dev/docs/guides/nx-release/configure-changelog-format
 */
export function changelogEntry(text: string, version: string): string | undefined {
  const lines = text.split(/\r?\n/);
  const start = lines.findIndex((line) => HEADING.exec(line)?.[1] === version);
  if (start === -1) return undefined;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => HEADING.test(line));
  const entry = (end === -1 ? rest : rest.slice(0, end)).join('\n').trim();
  return entry === '' ? undefined : entry;
}
