import { ConfigError } from './errors.ts';

/** The maximum nesting depth of objects and lists; the configuration needs four levels. */
export const MAX_DEPTH = 100;

/** The maximum length of a value in a message, in characters. */
const MAX_SHOWN = 100;

/**
 * Parses JSON. Throws {@link ConfigError} with code `syntax`, also if the nesting is so deep that code walking the
 * value could run out of stack.
 */
export function parseJson(text: string, source: string): unknown {
  const refuse = (detail: string, cause?: unknown): never => {
    const found = `${source}: expected one JSON object, found ${detail}`;
    throw new ConfigError('syntax', found, [], cause);
  };
  if (depthOf(text) > MAX_DEPTH) return refuse(`objects or lists nested more than ${MAX_DEPTH} levels deep`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuse(`invalid JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

/** The maximum depth of brackets outside strings, up to one more than allowed; reads each character once. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let index = 0; index < text.length && deepest <= MAX_DEPTH; index += 1) {
    const character = text.charCodeAt(index);
    if (quoted) {
      if (character === BACKSLASH) index += 1;
      else if (character === QUOTE) quoted = false;
    } else if (character === QUOTE) quoted = true;
    else if (character === BRACKET || character === BRACE) {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (character === BRACKET_END || character === BRACE_END) depth -= 1;
  }
  return deepest;
}

const [QUOTE, BACKSLASH, BRACKET, BRACE, BRACKET_END, BRACE_END] = [34, 92, 91, 123, 93, 125];

/** Formats a value for messages: JSON, truncated to 100 characters. The cost does not depend on the value's size. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  const budget = { left: MAX_SHOWN };
  const text = show(value, budget);
  return budget.left < 0 ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function show(value: unknown, budget: { left: number }): string {
  const spend = (text: string): string => {
    budget.left -= text.length;
    return text;
  };
  if (typeof value === 'string') return spend(JSON.stringify(value.slice(0, MAX_SHOWN + 1)));
  if (typeof value !== 'object' || value === null) return spend(String(value));
  const list = Array.isArray(value);
  let text = spend(list ? '[' : '{');
  let separator = '';
  for (const key of list ? value.keys() : ownKeys(value)) {
    if (budget.left < 0) return text;
    text += spend(list ? separator : `${separator}${JSON.stringify(String(key).slice(0, MAX_SHOWN))}:`);
    text += show((value as Readonly<Record<string, unknown>>)[String(key)], budget);
    separator = ',';
  }
  return text + spend(list ? ']' : '}');
}

/** Yields one key at a time, without building a list of all. */
function* ownKeys(value: object): Generator<string> {
  for (const key in value) yield key;
}
