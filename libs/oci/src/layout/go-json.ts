/**
 * JSON as Go's encoding/json writes it by default: compact, members in the given order, and the characters that
 * HTML gives a meaning escaped. Members that are undefined are left out. So that a digest over such JSON is the
 * one that tools written in Go compute.
 * https://pkg.go.dev/encoding/json#Marshal
 */
export function goJson(value: unknown): string {
  return encode(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/*
 * JavaScript puts names that are whole numbers before all others, whatever order they were given in. No member of the
 * specifications' structures has such a name, so an object with one is a map, and Go sorts a map by its keys.
 */
function encode(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((each) => encode(each ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  if (entries.some(([name]) => /^\d+$/.test(name))) entries.sort(([a], [b]) => compareBytes(a, b));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${encode(each)}`).join(',')}}`;
}

/** A copy of a map with its keys in the order in which Go sorts them (by the bytes of their UTF-8). */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => compareBytes(a, b)));
}

/** Compares two texts by the bytes of their UTF-8, as Go does. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
