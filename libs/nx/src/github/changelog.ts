// As Nx's own reader of changelogs finds the start of a version: a heading with the version first, perhaps in brackets.
const HEADING = /^#{1,6}[ \t]*\[?v?(\d+\.\d+\.\d+[^\s\])]*)\]?/;

/**
 * What a changelog of Nx says about a version, without the version's own heading; undefined where the version is not in it, or
 * nothing is below it. https://nx.dev/docs/guides/nx-release/configure-changelog-format
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
