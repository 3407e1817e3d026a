import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unquote } from './quotes.ts';

describe('unquote', () => {
  // The output of strconv.Quote in Go 1.19 for these texts.
  it.each([
    ['plain', 'plain'],
    ['""', ''],
    ['"a b"', 'a b'],
    ['"\\a\\b\\f\\n\\r\\t\\v\\\\\\""', '\x07\b\f\n\r\t\v\\"'],
    ['"\\x00\\x7f"', '\x00\x7f'],
    ['"\\u200b\\U000e0001"', '\u200b\u{e0001}'],
    ['"\\xff"', '\ufffd'],
    ['"\\101"', 'A'],
    ['`a\\n"b`', 'a\\n"b'],
  ])('reads %s', (quoted, text) => {
    expect(unquote(quoted)).toBe(text);
  });

  it.each(['"', '"a', '"a"b"', '"\\"', '"\\q"', '"\\x1"', '`a', '`a`b`'])('refuses %s', (text) => {
    expect(() => unquote(text)).toThrow(SyntaxError);
  });

  it('restores any text that JSON quotes without surrogates', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const quoted = JSON.stringify(text).replace(/\\u00([01][\da-f])/g, '\\x$1');
        expect(unquote(quoted)).toBe(text);
      }),
    );
  });
});
