const MAX_TEXT = 2000;

// Control characters (including ESC and the one-byte CSI), line and paragraph separators, and characters that change
// text direction: none of these may reach a terminal or a log from outside.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to remove.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+/g;

/**
 * Makes text from outside (a registry's message, a header) safe to print: one line, no control characters, at most
 * 2,000 characters, and nothing that a CI runner would take for a workflow command: `::name::` counts only at the start
 * of a line, `##[name]` and `##vso[name]` anywhere.
 * https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
 */
export function cleanText(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return cut.replace(UNPRINTABLE, ' ').trim().replace(/^::/, ': :').replaceAll('##', '# #');
}
