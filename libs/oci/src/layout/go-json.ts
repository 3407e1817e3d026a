/**
 * JSON as Go's encoding/json writes it by default: compact, with members in the given order, and with the characters
 * that have a meaning in HTML escaped. Undefined members are left out. A digest of this JSON is the one that tools
 * written in Go compute.
 * https://pkg.go.dev/encoding/json#Marshal
 */
export function goJson(value: unknown): string {
  return encode(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/*
 * JavaScript puts names that are whole numbers before all others, whatever order they were given in. No structure in
 * the specifications has a member with a name like that, so an object with one is a map, and Go sorts a map by its
 * keys.
 */
function encode(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((each) => encode(each ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  if (entries.some(([name]) => /^\d+$/.test(name))) entries.sort(([a], [b]) => compareBytes(a, b));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${encode(each)}`).join(',')}}`;
}

/** A copy of a map with its keys in the order in which Go sorts them (by their UTF-8 bytes). */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => compareBytes(a, b)));
}

/** Compares two strings by their UTF-8 bytes, as Go does. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
