import { parseBoundedJson } from './bounded-json.ts';

/**
 * Parses JSON in which no object has two members with the same name: given two, readers take the first, the last, or,
 * as Go's encoding/json does with objects, merge both. Throws a `SyntaxError`.
 * https://www.rfc-editor.org/rfc/rfc8259#section-4, https://pkg.go.dev/encoding/json#Unmarshal
 */
export function parseUniqueJson(text: string): unknown {
  const value = parseBoundedJson(text);
  checkNames(text);
  return value;
}

// Matches the tokens of text that is known to be JSON.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

function checkNames(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let last: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':' && last !== undefined) {
      const name: string = JSON.parse(last);
      const names = open.at(-1);
      if (names?.has(name))
        throw new SyntaxError(`the member ${JSON.stringify(name.slice(0, 80))} is given twice`);
      names?.add(name);
    }
    last = token.startsWith('"') ? token : undefined;
  }
}
