import type { Digest } from '../digest.ts';
import { TransientFailure } from './transport/index.ts';

/**
 * What this run knows of a repository: the content that the registry took or said it has, and what tags named. Registries
 * show what was just written a moment later, or not from every server at once: content of this run that is "not there" is
 * asked for again, within the limits of every retry; any other content that is not there is not.
 */
export interface Presence {
  note(digest: Digest): void;
  knows(digest: string): boolean;
  /** Notes what a tag named when it was looked at. */
  observe(tag: string, digest: Digest | undefined): void;
  /** Whether the tag has been seen to name this (undefined: to be no tag). */
  wasSeen(tag: string, digest: Digest | undefined): boolean;
  isObserved(tag: string): boolean;
}

/** Knows nothing yet. */
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

/** The failure of an operation on content of this run that the registry does not show yet. */
export function notYetThere(message: string): TransientFailure {
  return new TransientFailure(message, {
    hint: 'The registry accepted it but does not show it yet. Run it again later: what is there is not sent twice.',
  });
}

/** The codes with which a registry says that it does not have what a manifest names. */
export function saysUnknown(codes: readonly string[]): boolean {
  return codes.some((code) => /^(?:MANIFEST_)?(?:BLOB|MANIFEST)_UNKNOWN$/.test(code));
}
