/**
 * JSON as Go's encoding/json writes it by default: compact, members in the given order, and the characters that
 * HTML gives a meaning escaped. Members that are undefined are left out. So that a digest over such JSON is the
 * one that tools written in Go compute.
 * https://pkg.go.dev/encoding/json#Marshal
 */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A copy of a map with its keys in the order in which Go sorts them (by the bytes of their UTF-8). */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => compareBytes(a, b)));
}

/** Compares two texts by the bytes of their UTF-8, as Go does. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
