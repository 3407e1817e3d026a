const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
};

const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))/gs;

/**
 * The value of a Go string literal; text without quotes is its own value. A byte that is not a character becomes
 * U+FFFD. Throws `SyntaxError`. https://go.dev/ref/spec#String_literals
 */
export function unquote(text: string): string {
  const quote = text[0];
  if (quote !== '"' && quote !== '`') return text;
  const inner = text.slice(1, -1);
  if (text.length < 2 || text.at(-1) !== quote || (quote === '`' && inner.includes('`')))
    throw noLiteral(text);
  if (quote === '`') return inner;
  if (!/^(?:[^"\\]|\\.)*$/s.test(inner)) throw noLiteral(text);
  return inner.replace(ESCAPE, (_, byte, four, eight, octal, letter: string | undefined) => {
    if (letter !== undefined) {
      const meant = LETTERS[letter];
      if (meant === undefined) throw noLiteral(text);
      return meant;
    }
    const code = octal === undefined ? Number.parseInt(byte ?? four ?? eight, 16) : Number.parseInt(octal, 8);
    const isByte = byte !== undefined || octal !== undefined;
    return (isByte && code > 0x7f) || code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
  });
}

function noLiteral(text: string): SyntaxError {
  return new SyntaxError(`expected a Go string literal, found ${JSON.stringify(text.slice(0, 200))}`);
}
