import type { Reply, Seen } from '../fake-registry/exchange.ts';
import type { FakeRegistryOptions } from '../fake-registry/options.ts';
import type { RegistryState } from '../fake-registry/state.ts';

/** What a publish comes to at a registry with a quirk, where it is not what it comes to at any other. */
export interface QuirkOutcome {
  /** How something attached is found: by the API, by the tag, not at all; or it is refused. */
  readonly attachment?: 'api' | 'tag' | 'unlisted' | 'refused';
  /** The error that ends the publish, with a part of its message. */
  readonly error?: { readonly code: string; readonly says: RegExp };
}

/** How one behaviour answers while it lasts. */
export interface QuirkHooks {
  /** An answer in the place of the registry's. */
  readonly before?: (seen: Seen, state: RegistryState) => Reply | undefined;
  /** Another answer than the registry's. */
  readonly after?: (seen: Seen, reply: Reply, state: RegistryState) => Reply | undefined;
}

/** A way of real registries, or of what stands before them, that differs from the specification. */
export interface Quirk {
  /** A sentence without its subject, the registry. */
  readonly name: string;
  /** Where it was seen or is documented. */
  readonly source: string;
  readonly options?: Partial<FakeRegistryOptions>;
  readonly outcome?: QuirkOutcome;
  /** Begins anew: what it remembers of requests is of this start. */
  start(): QuirkHooks;
}

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
