import type { Reply } from '../fake-registry/exchange.ts';

export type { Quirk } from '../fake-registry/behavior.ts';

/** Lets through all but the first so many requests of each key. */
export function firstOfEach(count: number): (key: string) => boolean {
  const counts = new Map<string, number>();
  return (key) => {
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return nth <= count;
  };
}

/** The answer with these headers in the place of its own. */
export function withHeaders(reply: Reply, headers: Reply['headers']): Reply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}

/** The answer without some of its headers. */
export function withoutHeaders(reply: Reply, ...names: readonly string[]): Reply {
  const kept = Object.entries(reply.headers).filter(([name]) => !names.includes(name));
  return { ...reply, headers: Object.fromEntries(kept) };
}
