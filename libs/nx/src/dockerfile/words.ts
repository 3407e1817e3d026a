/** What is wrong with a text that should be split into words or expanded; without its place. */
export class WordError extends Error {
  override readonly name = 'WordError';
}

/** Gives the value of a variable; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

/**
 * Splits at white space outside quotes, as BuildKit does for `ARG`, `ENV` and `LABEL`; quotes and escapes are kept
 * for `expandWord`.
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
 * Removes quotes and escapes and puts in the values of variables, as BuildKit does: `$name`, `${name}`,
 * `${name:-word}`, `${name-word}`, `${name:+word}`, `${name+word}`. Throws a `WordError` for any other form.
 * https://docs.docker.com/reference/dockerfile/#environment-replacement
 */
export function expandWord(word: string, lookup: Lookup, escapeCharacter: string): string {
  return new Expansion(word, lookup, escapeCharacter).run();
}

/** The names of the variables that a word mentions. */
export function variablesIn(word: string, escapeCharacter: string): ReadonlySet<string> {
  const names = new Set<string>();
  expandWord(
    word,
    (name) => {
      names.add(name);
      return undefined;
    },
    escapeCharacter,
  );
  return names;
}

const DEPTH_LIMIT = 20;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;

class Expansion {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  #at = 0;
  #depth = 0;

  constructor(text: string, lookup: Lookup, escapeCharacter: string) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escape = escapeCharacter;
  }

  run(): string {
    return this.#until('');
  }

  #until(stop: string): string {
    let result = '';
    for (;;) {
      const character = this.#text.charAt(this.#at++);
      if (character === '') {
        if (stop === '') return result;
        throw new WordError(`"${stop}" is missing in ${JSON.stringify(this.#text)}`);
      }
      if (character === stop) return result;
      if (character === "'") result += this.#singleQuoted();
      else if (character === '"') result += this.#doubleQuoted();
      else if (character === '$') result += this.#variable();
      else if (character === this.#escape) result += this.#text.charAt(this.#at++);
      else result += character;
    }
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw new WordError(`a ' has no match in ${JSON.stringify(this.#text)}`);
    const inside = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inside;
  }

  #doubleQuoted(): string {
    let result = '';
    for (;;) {
      const character = this.#text.charAt(this.#at++);
      if (character === '') throw new WordError(`a " has no match in ${JSON.stringify(this.#text)}`);
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
    const operator = /:?[-+]|}/y;
    operator.lastIndex = this.#at;
    const found = operator.exec(this.#text)?.[0];
    if (found === undefined) throw this.#unsupported(`\${${name}${this.#text.charAt(this.#at)}`);
    this.#at += found.length;
    if (found === '}') return value ?? '';
    if (++this.#depth > DEPTH_LIMIT) throw this.#unsupported(`more than ${DEPTH_LIMIT} nested variables`);
    const word = this.#until('}');
    this.#depth--;
    const set = value !== undefined && (value !== '' || !found.startsWith(':'));
    if (found.endsWith('+')) return set ? word : '';
    return set ? value : word;
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.#text)?.[0] ?? '';
    this.#at += name.length;
    return name;
  }

  #unsupported(what: string): WordError {
    return new WordError(
      `the variable form ${JSON.stringify(what)} in ${JSON.stringify(this.#text)} is not supported`,
    );
  }
}
