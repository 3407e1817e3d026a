/** One way in which a server wants to be shown who asks. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`, `negotiate`, … */
  readonly scheme: string;
  /** By their names in lower case; the first of a name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

// A token of RFC 9110; what is unquoted in place of a parameter's value may hold more than that (a URL).
const TOKEN = /[A-Za-z0-9!#$%&'*+.^_`|~-]+/y;
const UNQUOTED = /[^\s,"]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const SPACE = /[\t ]*/y;
const SEPARATORS = /[\t ,]*/y;

/**
 * The challenges of a `WWW-Authenticate` header, in order: several may be in one header, separated by the same commas as
 * their parameters, and several headers come joined by commas. What can't be read ends the list. Takes time in
 * proportion to the header's length.
 * https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const text = header ?? '';
  const challenges: { readonly scheme: string; readonly parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    if (found !== undefined) at = pattern.lastIndex;
    return found;
  };
  for (take(SEPARATORS); at < text.length; take(SEPARATORS)) {
    const name = take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) return challenges;
    const spaced = take(SPACE)?.[0] !== '';
    const current = challenges.at(-1)?.parameters;
    if (text[at] === '=' && current !== undefined) {
      at += 1;
      take(SPACE);
      const value = take(QUOTED)?.[1]?.replaceAll(/\\(.)/gs, '$1') ?? take(UNQUOTED)?.[0];
      if (value === undefined) return challenges;
      if (!current.has(name)) current.set(name, value);
    } else {
      challenges.push({ scheme: name, parameters: new Map() });
      if (spaced) take(TOKEN68);
    }
  }
  return challenges;
}
