import type { Digest } from '../digest.ts';
import { TransientFailure } from './transport/index.ts';

/**
 * What this run knows about a repository: the content that the registry accepted or said it has, and what tags pointed
 * to. Registries show newly written content with a delay, or not from every server at once: a request for this run's
 * own content that returns "not found" is repeated, within the usual retry limits; for any other content it is not.
 */
export interface Presence {
  note(digest: Digest): void;
  knows(digest: string): boolean;
  /** Records what a tag pointed to when it was read. */
  observe(tag: string, digest: Digest | undefined): void;
  /** Whether the tag has been seen pointing to this digest (undefined: not existing). */
  wasSeen(tag: string, digest: Digest | undefined): boolean;
  isObserved(tag: string): boolean;
}

/** Starts without any knowledge. */
export function createPresence(): Presence {
  const known = new Set<string>();
  const seen = new Map<string, Set<Digest | undefined>>();
  return {
    note: (digest) => void known.add(digest),
    knows: (digest) => known.has(digest),
    observe(tag, digest) {
      const digests = seen.get(tag) ?? new Set();
      seen.set(tag, digests.add(digest));
    },
    wasSeen: (tag, digest) => seen.get(tag)?.has(digest) ?? false,
    isObserved: (tag) => seen.has(tag),
  };
}

/** The failure of an operation on this run's own content that the registry does not show yet. */
export function notYetThere(message: string): TransientFailure {
  return new TransientFailure(message, {
    hint: 'The registry accepted it but does not show it yet. Run it again later: nothing is sent twice.',
  });
}

/** Whether a registry's error codes say that it does not have what a manifest refers to. */
export function saysUnknown(codes: readonly string[]): boolean {
  return codes.some((code) => /^(?:MANIFEST_)?(?:BLOB|MANIFEST)_UNKNOWN$/.test(code));
}
