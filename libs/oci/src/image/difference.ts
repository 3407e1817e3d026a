/** One way in which an image differs from what was expected. */
export interface Difference {
  /** The part of the image: `config.Env`, `layer 2: /app`, … */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** Formats a difference as one line. */
export function formatDifference({ where, expected, found }: Difference): string {
  return `${where}: expected ${expected}, found ${found}`;
}

const MAX_SHOWN = 300;

/**
 * The differences between two JSON values: objects are compared member by member, everything else as a whole. A member
 * that only one of them has is a difference.
 */
export function compareValues(where: string, expected: unknown, found: unknown): readonly Difference[] {
  if (isObject(expected) && isObject(found)) {
    const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
    return [...names].flatMap((name) => {
      const inner = where === '' ? name : `${where}.${name}`;
      return compareValues(inner, memberOf(expected, name), memberOf(found, name));
    });
  }
  const [want, have] = [show(expected), show(found)];
  return JSON.stringify(expected) === JSON.stringify(found) ? [] : [{ where, expected: want, found: have }];
}

function memberOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  if (text === undefined) return 'nothing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
