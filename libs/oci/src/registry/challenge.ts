import { HeaderText } from './header-text.ts';

/** One authentication scheme that a server offers. */
export interface Challenge {
  /** In lowercase: `basic`, `bearer`, `negotiate`, … */
  readonly scheme: string;
  /** By lowercase name; the first of several with the same name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

// A token as in RFC 9110; an unquoted parameter value may contain more than that (a URL).
const TOKEN = /[A-Za-z0-9!#$%&'*+.^_`|~-]/;
const UNQUOTED = /[^\s,"]/;
const TOKEN68 = /[A-Za-z0-9._~+/-]/;
const SPACE = /[\t ]/;
const SEPARATOR = /[\t ,]/;

/**
 * The challenges in a `WWW-Authenticate` header, in order: one header may contain several, separated by the same commas
 * as their parameters, and several headers arrive joined by commas. Anything unreadable ends the list. Takes time
 * proportional to the length of the header.
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

// What some schemes have instead of parameters; a parameter would continue with its value.
function isToken68(text: HeaderText): boolean {
  if (text.take(TOKEN68) === '') return false;
  text.take(/=/);
  text.take(SPACE);
  return text.isOver || text.next === ',';
}
