import { closestMatch } from 'leven';
import type * as v from 'valibot';

type Issue = v.BaseIssue<unknown>;

/**
 * The problems of a configuration, one line each: the path in the file, what was expected, what was found, and for an
 * unknown key, the nearest known one.
 */
export function problemsOf(
  issues: readonly [Issue, ...Issue[]],
  definition: v.GenericSchema,
  /** The path in the file of the object that the definition describes. */
  at: readonly string[] = [],
): readonly string[] {
  return issues.flatMap((issue) => problemsIn(issue, definition, at, []));
}

function problemsIn(
  issue: Issue,
  definition: v.GenericSchema,
  at: readonly string[],
  above: readonly string[],
): readonly string[] {
  // A union reports nested issues only if one member matches in kind. Its issues are more specific.
  const nested = issue.issues?.filter((each) => each.path !== undefined) ?? [];
  if (issue.type !== 'union' || !isObject(issue.input) || nested.length === 0) {
    return [describe(issue, definition, at, above)];
  }
  return nested.flatMap((each) => problemsIn(each, definition, at, [...above, ...pathOf(issue)]));
}

function describe(
  issue: Issue,
  definition: v.GenericSchema,
  at: readonly string[],
  above: readonly string[],
): string {
  const path = [...above, ...pathOf(issue)];
  const place = [...at, ...path].join('.') || '(root)';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const key = path.at(-1) ?? '';
    const known = keysAt(definition, path.slice(0, -1));
    const near = nearestKey(key, known);
    return `${place}: unknown key${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`;
  }
  const expected =
    issue.type === 'strict_object' || issue.type === 'loose_object' ? 'an object' : issue.message;
  // Some definitions provide the complete message.
  if (/^expected .*\bfound\b/.test(expected)) return `${place}: ${expected}`;
  return `${place}: expected ${expected.replace(/^expected /, '')}, found ${shown(issue.input)}`;
}

function pathOf(issue: Issue): readonly string[] {
  return issue.path?.map(({ key }) => String(key)) ?? [];
}

/** The known key nearest to an unknown one; undefined if none is close. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  const words = new Map(known.map((each) => [each.toLowerCase(), each]));
  const maxDistance = Math.max(2, Math.floor(key.length / 2));
  const nearest = closestMatch(key.toLowerCase(), [...words.keys()], { maxDistance });
  return nearest === undefined ? undefined : words.get(nearest);
}

function keysAt(definition: v.GenericSchema, path: readonly string[]): readonly string[] {
  let schemas: readonly unknown[] = [definition];
  for (const key of path) schemas = schemas.flatMap((schema) => membersOf(schema, key));
  return schemas.flatMap((schema) => objectsIn(schema).flatMap((entries) => Object.keys(entries)));
}

// The definition for a key of an object, or for every item of a list.
function membersOf(schema: unknown, key: string): readonly unknown[] {
  if (!isObject(schema)) return [];
  if (schema.item !== undefined) return [schema.item];
  if ('wrapped' in schema) return membersOf(schema.wrapped, key);
  return objectsIn(schema).map((each) => each[key]);
}

// The objects inside optional, piped and union schemas.
function objectsIn(schema: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!isObject(schema)) return [];
  if (isObject(schema.entries)) return [schema.entries];
  if (Array.isArray(schema.options)) return schema.options.flatMap(objectsIn);
  return 'wrapped' in schema ? objectsIn(schema.wrapped) : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

const MAX_SHOWN = 80;

/** A value as JSON, truncated if long. */
export function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}…` : json;
}
