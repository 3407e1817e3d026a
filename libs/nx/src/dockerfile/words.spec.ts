// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of a Dockerfile, not of a template
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandWord, splitWords, variablesIn, WordError } from './words.ts';

const values: Readonly<Record<string, string>> = { A: '1', EMPTY: '', TARGETARCH: 'amd64' };
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
  ])('makes %s into %s', (word, expected) => {
    expect(expand(word)).toBe(expected);
  });

  it('takes another escape character', () => {
    expect(expand('`$A\\x', '`')).toBe('$A\\x');
  });

  it.each(['${', '${}', '${A', '${A:', '${A:?x}', '${A#x}', '${A/x/y}', '"a', "'a", '$1', '$@', '${A:-${A}'])(
    'refuses %s',
    (word) => {
      expect(() => expand(word)).toThrow(WordError);
    },
  );

  it('ends in a text or in an error of its own', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('$', '{', '}', ':-', '+', '"', "'", '\\', 'A', ' ')), (pieces) => {
        try {
          expect(typeof expand(pieces.join(''))).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(WordError);
        }
      }),
    );
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
  it('names those of defaults too', () => {
    expect([...variablesIn('$A-${B:-$C}${D:+$E}', '\\')].sort()).toEqual(['A', 'B', 'C', 'D', 'E']);
  });
});
