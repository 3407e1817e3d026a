import type { Reply } from '../fake-registry/exchange.ts';

export type { Quirk } from '../fake-registry/behavior.ts';

/** Returns a function that is true for the first `count` calls with each key. */
export function firstOfEach(count: number): (key: string) => boolean {
  const counts = new Map<string, number>();
  return (key) => {
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return nth <= count;
  };
}

/** Replaces headers of an answer. */
export function withHeaders(reply: Reply, headers: Reply['headers']): Reply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}

/** Removes headers from an answer. */
export function withoutHeaders(reply: Reply, ...names: readonly string[]): Reply {
  const kept = Object.entries(reply.headers).filter(([name]) => !names.includes(name));
  return { ...reply, headers: Object.fromEntries(kept) };
}
