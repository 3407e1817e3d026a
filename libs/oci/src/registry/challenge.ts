import { HeaderText } from './header-text.ts';

/** One way in which a server wants to be shown who asks. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`, `negotiate`, … */
  readonly scheme: string;
  /** By their names in lower case; the first of a name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

// A token of RFC 9110; what is unquoted in place of a parameter's value may hold more than that (a URL).
const TOKEN = /[A-Za-z0-9!#$%&'*+.^_`|~-]/;
const UNQUOTED = /[^\s,"]/;
const TOKEN68 = /[A-Za-z0-9._~+/-]/;
const SPACE = /[\t ]/;
const SEPARATOR = /[\t ,]/;

/**
 * The challenges of a `WWW-Authenticate` header, in order: several may be in one header, separated by the same commas as
 * their parameters, and several headers come joined by commas. What can't be read ends the list. Takes steps in
 * proportion to the header's length.
 * https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const text = new HeaderText(header ?? '');
  const challenges: { readonly scheme: string; readonly parameters: Map<string, string> }[] = [];
  for (text.take(SEPARATOR); !text.isOver; text.take(SEPARATOR)) {
    const name = text.take(TOKEN).toLowerCase();
    if (name === '') return challenges;
    const spaced = text.take(SPACE) !== '';
    const current = challenges.at(-1)?.parameters;
    if (current !== undefined && text.passes('=')) {
      text.take(SPACE);
      const value = text.next === '"' ? text.quoted() : text.take(UNQUOTED) || undefined;
      if (value === undefined) return challenges;
      if (!current.has(name)) current.set(name, value);
    } else {
      challenges.push({ scheme: name, parameters: new Map() });
      if (spaced) text.lookAhead(() => isToken68(text));
    }
  }
  return challenges;
}

// What some schemes have in place of parameters; a parameter continues with its value.
function isToken68(text: HeaderText): boolean {
  if (text.take(TOKEN68) === '') return false;
  text.take(/=/);
  text.take(SPACE);
  return text.isOver || text.next === ',';
}
