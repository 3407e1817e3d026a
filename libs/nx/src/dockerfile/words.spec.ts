// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of a Dockerfile, not of a template
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandDocument, expandWord, splitWords, variablesIn, WordError } from './words.ts';

const values: Readonly<Record<string, string>> = {
  A: '1',
  EMPTY: '',
  TARGETARCH: 'amd64',
  TARGETPLATFORM: 'linux/amd64',
  V: '1.2.3',
};
const expand = (word: string, escapeCharacter = '\\') =>
  expandWord(word, (name) => values[name], escapeCharacter);

describe('expandWord', () => {
  it.each([
    ['$A', '1'],
    ['x-${TARGETARCH}-y', 'x-amd64-y'],
    ['$TARGETARCH$A', 'amd641'],
    ['$NONE', ''],
    ['${NONE:-d}', 'd'],
    ['${EMPTY:-d}', 'd'],
    ['${EMPTY-d}', ''],
    ['${NONE-d}', 'd'],
    ['${A:+y}', 'y'],
    ['${EMPTY:+y}', ''],
    ['${EMPTY+y}', 'y'],
    ['${NONE:-${EMPTY:-$A}}', '1'],
    ['${NONE:-"a}b"}', 'a}b'],
    ['"$A \\$A \\" \\x"', '1 $A " \\x'],
    ["'$A \\'", '$A \\'],
    ['\\$A', '$A'],
    ['a\\ b', 'a b'],
    ['$', '$'],
    ['a$/b', 'a$/b'],
    ['${A:?x}', '1'],
    ['${EMPTY?x}', ''],
    // Same results as in BuildKit 0.13.2.
    ['${V%.*}', '1.2'],
    ['${V%%.*}', '1'],
    ['${V#*.}', '2.3'],
    ['${V##*.}', '3'],
    ['${V%.3}', '1.2'],
    ['${V%"."*}', '1.2'],
    ["${V%'.3'}", '1.2'],
    ['${V#x}', '1.2.3'],
    ['${V/./-}', '1-2.3'],
    ['${V//./-}', '1-2-3'],
    ['${V//./}', '123'],
    ['${V/2/}', '1..3'],
    ['${V/*/x}', 'x'],
    ['${V//*/x}', 'x'],
    ['${V//?/y}', 'yyyyy'],
    ['${V/2/$V}', '1.1.2.3.3'],
    ['${V//[12]/z}', '1.2.3'],
    ["${V/1.2/'q r'}", 'q r.3'],
    ['${TARGETPLATFORM//\\//-}', 'linux-amd64'],
    ['${NONE%x}', ''],
    ['${NONE/x/y}', ''],
    ['${V#1\\*}', '1.2.3'],
  ])('expands %s to %s', (word, expected) => {
    expect(expand(word)).toBe(expected);
  });

  it('supports a different escape character', () => {
    expect(expand('`$A\\x', '`')).toBe('$A\\x');
  });

  it.each([
    '${',
    '${}',
    '${A',
    '${A:',
    '${NONE:?x}',
    '${EMPTY:?x}',
    '${NONE?}',
    '${A/x}',
    '${A//y}',
    '${A/}',
    '${V//\\./_}',
    '${V//./\\$1}',
    '${A^^}',
    '"a',
    "'a",
    '$1',
    '$@',
    '${A:-${A}',
  ])('refuses %s', (word) => {
    expect(() => expand(word)).toThrow(WordError);
  });

  it('reports which variable has no value, with the message from the Dockerfile', () => {
    expect(() => expand('x${NONE:?give it with ARG}')).toThrow('NONE: give it with ARG');
    expect(() => expand('x${NONE?}')).toThrow('NONE: has no value');
  });

  it('takes time proportional to the square of a value, whatever the pattern', () => {
    const value = 'a'.repeat(512);
    const started = process.cpuUsage();
    const pattern = `${'*a'.repeat(31)}b`;
    expect(expandWord(`\${A//${pattern}/x}`, () => value, '\\')).toBe(value);
    const { user } = process.cpuUsage(started);
    expect(user / 1000).toBeLessThan(1000);
  });

  it('returns text or throws its own error', () => {
    const pieces = fc.constantFrom(
      '$',
      '{',
      '}',
      ':-',
      '+',
      '#',
      '%',
      '/',
      ':?',
      '*',
      '"',
      "'",
      '\\',
      'V',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(pieces), (pieces) => {
        try {
          expect(typeof expand(pieces.join(''))).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(WordError);
        }
      }),
    );
  });
});

describe('expandDocument', () => {
  // Same as in BuildKit 0.13.2.
  it('expands variables, keeps quotes, and only treats a backslash as an escape', () => {
    const text = 'hello $V \\$V "q" \'q\' \\n \\\\ `x\n\ttab\n\n# no comment\nx \\\ny ${V:-"z"} ${V#1}\n';
    const expected = 'hello 1.2.3 $V "q" \'q\' n \\ `x\n\ttab\n\n# no comment\nx \ny 1.2.3 .2.3\n';
    expect(expandDocument(text, (name) => values[name])).toBe(expected);
  });
});

describe('splitWords', () => {
  it.each([
    ['a  b', ['a', 'b']],
    ['A="x y" B=\'p q\'', ['A="x y"', "B='p q'"]],
    ['a\\ b c', ['a\\ b', 'c']],
    ['"a\\" b" c', ['"a\\" b"', 'c']],
    ["'a\\' b", ["'a\\'", 'b']],
    ['""', ['""']],
    ['', []],
  ])('splits %s', (text, expected) => {
    expect(splitWords(text, '\\')).toEqual(expected);
  });
});

describe('variablesIn', () => {
  it('includes variables in defaults', () => {
    expect([...variablesIn('$A-${B:-$C}${D:+$E}', '\\')].sort()).toEqual(['A', 'B', 'C', 'D', 'E']);
  });
});
