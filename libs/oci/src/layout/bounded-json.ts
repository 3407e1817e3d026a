/**
 * The values that fit into 4 MiB would take 400 MiB of memory; an image's documents and a registry's lists have far
 * fewer.
 */
const MAX_VALUES = 200_000;
const MAX_DEPTH = 100;

/**
 * Parses JSON from outside. Throws a `SyntaxError`, also for more than 200,000 values or 100 levels, which are counted
 * before anything is parsed.
 */
export function parseBoundedJson(text: string): unknown {
  checkSize(text);
  return JSON.parse(text);
}

function checkSize(text: string): void {
  let [values, depth] = [1, 0];
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"':
        at = endOfString(text, at);
        break;
      case '{':
      case '[':
        values += 1;
        depth += 1;
        break;
      case '}':
      case ']':
        depth -= 1;
        break;
      case ',':
        values += 1;
    }
    if (values > MAX_VALUES) throw new SyntaxError(`more than ${MAX_VALUES} values`);
    if (depth > MAX_DEPTH) throw new SyntaxError(`more than ${MAX_DEPTH} levels`);
  }
}

/** The position of the quotation mark that ends a string, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
