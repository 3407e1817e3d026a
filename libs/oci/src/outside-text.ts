const MAX_TEXT = 2000;

// Control characters (ESC and the one-byte CSI among them), line and paragraph separators, and what turns the direction
// of text: none of it may reach a terminal or a log from outside.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+/g;

/**
 * A text from outside (a registry's message, a header) as it may be printed: one line, no control characters, at most
 * 2,000 characters, and nothing in it that a CI runner would take for a command of its log: `::name::` counts at the
 * start of a line only, `##[name]` and `##vso[name]` anywhere.
 * https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
 */
export function cleanText(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return cut.replace(UNPRINTABLE, ' ').trim().replace(/^::/, ': :').replaceAll('##', '# #');
}
