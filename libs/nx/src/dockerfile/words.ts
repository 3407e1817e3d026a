import { type GlobPart, literal, matchEnds } from './glob.ts';

/** A problem with splitting text into words or expanding it; the message doesn't include the location. */
export class WordError extends Error {
  override readonly name = 'WordError';
}

/** Returns a variable's value; undefined if it isn't set. */
export type Lookup = (name: string) => string | undefined;

/**
 * Splits at white space outside quotes, as BuildKit does for `ARG`, `ENV` and `LABEL`. Keeps quotes and escapes for
 * `expandWord`.
 */
export function splitWords(text: string, escapeCharacter: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    const escapes = character === escapeCharacter && quote !== "'";
    if (escapes && at + 1 < text.length) {
      word += character + text.charAt(++at);
    } else if (quote === '' && /\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      if (quote === '' && (character === '"' || character === "'")) quote = character;
      else if (character === quote) quote = '';
      word += character;
    }
  }
  return word === '' ? words : [...words, word];
}

/**
 * Removes quotes and escapes and expands variables, as BuildKit does: `$name`, `${name}`, with a default (`:-`, `-`),
 * an alternative (`:+`, `+`) or an error (`:?`, `?`), with a pattern removed from its start (`#`, `##`) or end (`%`,
 * `%%`), and with a pattern replaced (`/`, `//`). Throws a `WordError` for any other form.
 * https://docs.docker.com/reference/dockerfile/#environment-replacement
 */
export function expandWord(word: string, lookup: Lookup, escapeCharacter: string): string {
  return new Expansion(word, lookup, { escapeCharacter, quotes: true }).run();
}

/** Expands variables in a here-document, as BuildKit does: quotes are kept, and only a backslash escapes. */
export function expandDocument(text: string, lookup: Lookup): string {
  return new Expansion(text, lookup, { escapeCharacter: '\\', quotes: false }).run();
}

/** The names of the variables that a word mentions. */
export function variablesIn(word: string, escapeCharacter: string): ReadonlySet<string> {
  const names = new Set<string>();
  expandWord(
    word,
    (name) => {
      names.add(name);
      // Not empty, since `${name:?}` would be an error.
      return 'x';
    },
    escapeCharacter,
  );
  return names;
}

const MAX_DEPTH = 20;
/** In characters. The time for replacing is proportional to the pattern and to the square of the value. */
const MAX_PATTERN = 64;
const MAX_VALUE = 512;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /:?[-+?]|[#%}]|\/\/?/y;

class Expansion {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  readonly #quotes: boolean;
  #at = 0;
  #depth = 0;

  constructor(
    text: string,
    lookup: Lookup,
    how: { readonly escapeCharacter: string; readonly quotes: boolean },
  ) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escape = how.escapeCharacter;
    this.#quotes = how.quotes;
  }

  run(): string {
    return this.#until('');
  }

  /** In a pattern, escapes are kept, since they also escape wildcards. */
  #until(stop: string, keepsEscapes = false): string {
    let result = '';
    for (;;) {
      const character = this.#text.charAt(this.#at++);
      if (character === '') {
        if (stop === '') return result;
        throw new WordError(`"${stop}" is missing in ${this.#shown()}`);
      }
      if (character === stop) return result;
      if (this.#quotes && character === "'") result += this.#singleQuoted();
      else if (this.#quotes && character === '"') result += this.#doubleQuoted();
      else if (character === '$') result += this.#variable();
      else if (character === this.#escape) {
        result += `${keepsEscapes ? character : ''}${this.#text.charAt(this.#at++)}`;
      } else result += character;
    }
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw new WordError(`unmatched ' in ${this.#shown()}`);
    const inside = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inside;
  }

  #doubleQuoted(): string {
    let result = '';
    for (;;) {
      const character = this.#text.charAt(this.#at++);
      if (character === '') throw new WordError(`unmatched " in ${this.#shown()}`);
      if (character === '"') return result;
      const next = this.#text.charAt(this.#at);
      if (character === '$') result += this.#variable();
      else if (character === this.#escape && next !== '' && `"$${this.#escape}`.includes(next)) {
        result += next;
        this.#at++;
      } else result += character;
    }
  }

  #variable(): string {
    if (this.#text.charAt(this.#at) !== '{') {
      const name = this.#name();
      if (name !== '') return this.#lookup(name) ?? '';
      const next = this.#text.charAt(this.#at);
      if (next !== '' && '0123456789@*#?-$!'.includes(next)) throw this.#unsupported(`$${next}`);
      return '$';
    }
    this.#at++;
    const name = this.#name();
    if (name === '') throw this.#unsupported('${');
    const value = this.#lookup(name);
    OPERATOR.lastIndex = this.#at;
    const operator = OPERATOR.exec(this.#text)?.[0];
    if (operator === undefined) throw this.#unsupported(`\${${name}${this.#text.charAt(this.#at)}`);
    this.#at += operator.length;
    if (operator === '}') return value ?? '';
    if (++this.#depth > MAX_DEPTH) throw this.#unsupported(`more than ${MAX_DEPTH} nested variables`);
    const result = this.#modified(name, value, operator);
    this.#depth--;
    return result;
  }

  #modified(name: string, value: string | undefined, operator: string): string {
    switch (operator) {
      case '#':
      case '%':
        return this.#trimmed(value ?? '', operator);
      case '/':
      case '//':
        return this.#replaced(value ?? '', operator === '//');
    }
    const word = this.#until('}');
    const set = value !== undefined && (value !== '' || !operator.startsWith(':'));
    if (operator.endsWith('+')) return set ? word : '';
    if (set) return value;
    if (operator.endsWith('-')) return word;
    throw new WordError(`${name}: ${word || 'has no value'}`);
  }

  #trimmed(value: string, operator: '#' | '%'): string {
    const word = this.#until('}', true);
    const longest = word.startsWith(operator);
    const parts = this.#pattern(longest ? word.slice(1) : word, value);
    const characters = Array.from(value);
    if (operator === '#') {
      const end = matchEnds(parts, characters).at(longest ? -1 : 0);
      return end === undefined ? value : characters.slice(end).join('');
    }
    // To match from the end, reverse the pattern and the value.
    const end = matchEnds(parts.toReversed(), characters.toReversed()).at(longest ? -1 : 0);
    return end === undefined ? value : characters.slice(0, characters.length - end).join('');
  }

  #replaced(value: string, all: boolean): string {
    const pattern = this.#until('/', true);
    const replacement = this.#until('}', true);
    if (pattern === '') throw this.#unsupported('an empty pattern');
    if (replacement.includes(this.#escape)) throw this.#unsupported(`"${this.#escape}" in a replacement`);
    // In Go, $1 would mean a group's match.
    if (replacement.includes('$')) throw this.#unsupported('"$" in a replacement');
    const parts = this.#pattern(pattern, value);
    const characters = Array.from(value);
    let result = '';
    let replaced = 0;
    let last = -1;
    for (let at = 0; at <= characters.length; ) {
      const end = all || replaced === 0 ? matchEnds(parts, characters, at).at(-1) : undefined;
      // An empty match isn't allowed where the last match ended.
      if (end !== undefined && !(end === at && at === last)) {
        result += replacement;
        replaced++;
        last = end;
      }
      if (end === undefined || end === at) result += characters[at++] ?? '';
      else at = end;
    }
    return result;
  }

  #pattern(text: string, value: string): readonly GlobPart[] {
    const characters = Array.from(text);
    if (characters.length > MAX_PATTERN || value.length > MAX_VALUE) {
      throw this.#unsupported(
        `a pattern longer than ${MAX_PATTERN}, or for a value longer than ${MAX_VALUE},`,
      );
    }
    if (this.#escape !== '\\' && text.includes(this.#escape)) {
      throw this.#unsupported(`"${this.#escape}" in a pattern`);
    }
    const parts: GlobPart[] = [];
    for (let at = 0; at < characters.length; at++) {
      const character = characters[at] ?? '';
      if (character === '*') parts.push({ many: true, takes: () => true });
      else if (character === '?') parts.push({ many: false, takes: () => true });
      else if (character === '\\') {
        const escaped = characters[++at] ?? '';
        if (escaped === '' || !'}/*?\\'.includes(escaped))
          throw this.#unsupported(`"\\${escaped}" in a pattern`);
        parts.push(literal(escaped));
      } else parts.push(literal(character));
    }
    return parts;
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.#text)?.[0] ?? '';
    this.#at += name.length;
    return name;
  }

  #shown(): string {
    return JSON.stringify(this.#text.slice(0, 200));
  }

  #unsupported(what: string): WordError {
    return new WordError(`the variable form ${what} in ${this.#shown()} is not supported`);
  }
}
