/** A part of a pattern: one matching character, or any number of them. */
export type GlobPart = { readonly many: boolean; readonly takes: (character: string) => boolean };

/**
 * The end positions of all matches of a pattern from a given start, in ascending order. The time is proportional to the
 * product of the two lengths, whatever the pattern.
 */
export function matchEnds(
  parts: readonly GlobPart[],
  characters: readonly string[],
  start = 0,
): readonly number[] {
  let known = new Uint8Array(characters.length + 1);
  known[start] = 1;
  for (const { many, takes } of parts) {
    const next = new Uint8Array(characters.length + 1);
    let any = false;
    for (let at = start, open = false; at <= characters.length; at++) {
      if (many) open = known[at] === 1 || (open && takes(characters[at - 1] ?? ''));
      else open = at > start && known[at - 1] === 1 && takes(characters[at - 1] ?? '');
      if (open) {
        next[at] = 1;
        any = true;
      }
    }
    if (!any) return [];
    known = next;
  }
  return Array.from(known.entries()).flatMap(([at, is]) => (is === 1 ? [at] : []));
}

/** A part that matches exactly this character. */
export function literal(character: string): GlobPart {
  return { many: false, takes: (found) => found === character };
}

/** A malformed path pattern. */
export class GlobError extends Error {
  override readonly name = 'GlobError';
}

const NO_SLASH = (character: string): boolean => character !== '/';

/** Whether a text contains wildcards that make it a path pattern. */
export function hasWildcards(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/**
 * Parses a path pattern with `*`, `?`, `[a-z]`, `[^a-z]`, and `\` to escape a character. None of these matches a slash.
 * Throws a `GlobError`.
 * https://pkg.go.dev/path/filepath#Match
 */
export function parsePathGlob(pattern: string): readonly GlobPart[] {
  const characters = Array.from(pattern);
  const parts: GlobPart[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') parts.push({ many: true, takes: NO_SLASH });
    else if (character === '?') parts.push({ many: false, takes: NO_SLASH });
    else if (character === '[') {
      const { part, end } = parseClass(characters, at + 1, pattern);
      parts.push(part);
      at = end;
    } else if (character === '\\') {
      const escaped = characters[++at];
      if (escaped === undefined) throw new GlobError(`${pattern}: nothing follows the "\\" at its end`);
      parts.push(literal(escaped));
    } else parts.push(literal(character));
  }
  return parts;
}

function parseClass(
  characters: readonly string[],
  start: number,
  pattern: string,
): { readonly part: GlobPart; readonly end: number } {
  let at = start;
  const negated = characters[at] === '^';
  if (negated) at++;
  const ranges: (readonly [number, number])[] = [];
  const bound = (): number => {
    const escaped = characters[at] === '\\';
    const found = characters[escaped ? at + 1 : at];
    if (found === undefined || (!escaped && (found === '-' || found === ']'))) {
      throw new GlobError(`${pattern}: expected characters or ranges between "[" and "]"`);
    }
    at += escaped ? 2 : 1;
    return found.codePointAt(0) ?? 0;
  };
  while (ranges.length === 0 || characters[at] !== ']') {
    const low = bound();
    if (characters[at] !== '-') ranges.push([low, low]);
    else {
      at++;
      ranges.push([low, bound()]);
    }
  }
  const inside = (code: number): boolean => ranges.some(([low, high]) => low <= code && code <= high);
  const takes = (found: string): boolean => NO_SLASH(found) && inside(found.codePointAt(0) ?? 0) !== negated;
  return { part: { many: false, takes }, end: at };
}

/** Whether a pattern matches a whole path. */
export function matchesPath(parts: readonly GlobPart[], path: string): boolean {
  const characters = Array.from(path);
  return matchEnds(parts, characters).at(-1) === characters.length;
}
