import { formatDuration } from '../dockerfile/duration.ts';
import type { HealthcheckInstruction } from '../dockerfile/instructions.ts';

/**
 * The format of an image's history, which is part of the image's ID: that of moby 26.1 or moby 28.5. Layers and the
 * `config` object are the same in both.
 */
export type HistoryFormat = 'moby-26' | 'moby-28';

/** The arguments of a `CMD` or `ENTRYPOINT` in the history: Go's `%q` of a list. */
export function quoteList(args: readonly string[]): string {
  return `[${args.map(quote).join(' ')}]`;
}

/** An `EXPOSE` in the history, with sorted ports. */
export function describePorts(ports: readonly string[], format: HistoryFormat): string {
  const sorted = [...new Set(ports)].sort();
  if (format === 'moby-28') return `EXPOSE [${sorted.join(' ')}]`;
  return `EXPOSE map[${sorted.map((port) => `${port}:{}`).join(' ')}]`;
}

/** A `HEALTHCHECK` in the history: Go's `%q` of a struct, which prints the number of retries as a character. */
export function describeHealthcheck(test: readonly string[], check: HealthcheckInstruction): string {
  const durations = [check.interval, check.timeout, check.startPeriod, check.startInterval];
  const quoted = durations.map((each) => quote(formatDuration(each)));
  return `HEALTHCHECK &{${quoteList(test)} ${quoted.join(' ')} ${quoteRune(check.retries)}}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

/**
 * Quotes a text like Go.
 * https://pkg.go.dev/strconv#Quote
 */
export function quote(text: string): string {
  return `"${Array.from(text, (character) => escapeIn(character, '"')).join('')}"`;
}

function quoteRune(code: number): string {
  return `'${escapeIn(String.fromCodePoint(code), "'")}'`;
}

function escapeIn(character: string, delimiter: string): string {
  if (character === delimiter) return `\\${character}`;
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  if (character === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000
    ? `\\u${code.toString(16).padStart(4, '0')}`
    : `\\U${code.toString(16).padStart(8, '0')}`;
}
