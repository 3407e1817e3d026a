import type { GenericSchema } from 'valibot';
import { nearest } from './suggest.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** A key that the definition does not contain, with its path in the file. */
export interface UnknownKey {
  readonly path: string;
  /** The known key that was probably meant, if one is close enough. */
  readonly nearest: string | undefined;
  /** Whether the value was used anyway because the key differs only in case. */
  readonly used: boolean;
}

/** A file's content reduced to known keys. */
export interface KnownContent {
  readonly content: unknown;
  readonly unknown: readonly UnknownKey[];
  /** Lists in place of objects, by path; they are removed from the content. */
  readonly lists: ReadonlyMap<string, readonly unknown[]>;
}

/** The maximum number of unknown keys for which the nearest known one is searched. */
const MAX_GUESSES = 100;

/** Settings for which an empty string means the same as leaving them out. */
const emptyMeansUnset: ReadonlySet<string> = new Set(['logLevel', 'logFormat', 'canaryFile', 'checkType']);

/**
 * Walks a parsed JSON value along the schema and keeps the known keys. Like Go's encoding/json, it treats null as a
 * missing key and matches keys regardless of case (but reports those).
 */
export function keepKnownKeys(schema: GenericSchema, value: unknown): KnownContent {
  const found: Found = { unknown: [], lists: new Map() };
  return { content: walk(schema, value, '', found), ...found };
}

interface Found {
  readonly unknown: UnknownKey[];
  readonly lists: Map<string, readonly unknown[]>;
}

function walk(schema: GenericSchema, value: unknown, path: string, found: Found): unknown {
  const { entries, item } = unwrap(schema);
  if (entries !== undefined && Array.isArray(value)) {
    found.lists.set(path, value);
    return undefined;
  }
  if (entries !== undefined && isObject(value)) return walkObject(entries, value, path, found);
  if (item !== undefined && Array.isArray(value)) {
    return value.map((element, index) => walk(item, element, `${path}[${index}]`, found));
  }
  return value;
}

function walkObject(
  entries: Readonly<Record<string, GenericSchema>>,
  value: JsonObject,
  path: string,
  found: Found,
): JsonObject {
  const known = Object.keys(entries);
  const kept: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    const exact = known.includes(key);
    const name = exact ? key : known.find((candidate) => candidate.toLowerCase() === key.toLowerCase());
    const used = name !== undefined && (exact || !Object.hasOwn(value, name));
    if (!exact) {
      // People make a few typos; thousands of unknown keys are not typos.
      const near = found.unknown.length < MAX_GUESSES ? nearest(key, known) : name;
      found.unknown.push({ path: join(path, key), nearest: near, used });
    }
    const schema = name === undefined ? undefined : entries[name];
    if (name === undefined || schema === undefined || !used || member === null) continue;
    if (member === '' && emptyMeansUnset.has(name)) continue;
    kept[name] = walk(schema, member, join(path, name), found);
  }
  return kept;
}

/** A key's path in the file, as it appears in errors: `mounts[0].path`. */
export function join(path: string, key: string): string {
  const plain = /^[\w$-]+$/.test(key) ? key : JSON.stringify(key);
  return path === '' ? plain : `${path}.${plain}`;
}

interface Unwrapped {
  readonly entries?: Readonly<Record<string, GenericSchema>>;
  readonly item?: GenericSchema;
  readonly wrapped?: GenericSchema;
}

function unwrap(schema: GenericSchema): Unwrapped {
  const view = schema as Unwrapped;
  return view.wrapped === undefined ? view : unwrap(view.wrapped);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
