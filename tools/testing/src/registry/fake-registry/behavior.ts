import type { Reply, Seen } from './exchange.ts';
import type { RegistryState } from './state.ts';

/** How a fake registry behaves. */
export interface FakeRegistryOptions {
  /** Who may push and pull; defaults to anyone. Tokens are requested with Basic credentials. */
  readonly auth?: {
    readonly scheme: 'basic' | 'bearer';
    readonly username: string;
    readonly password: string;
  };
  /** Whether tokens allow pushing. */
  readonly mayPush?: boolean;
  /** Seconds until a token expires. */
  readonly tokenSeconds?: number;
  /** Whether it supports the referrers API, as in version 1.1 of the specification. */
  readonly referrers?: boolean;
  /** Whether it creates the tags given as parameters when a manifest is pushed by digest; otherwise it ignores them. */
  readonly tagsByDigest?: boolean;
  /**
   * How long the URL of an upload stays valid. `lasting`: always. `at-offset`: once more bytes have arrived, it can be
   * used only to get the progress, which returns the current URL, as in version 3 of distribution. `at-offset-only`:
   * once more bytes have arrived, it is invalid, as in version 2.
   */
  readonly uploadUrls?: 'lasting' | 'at-offset' | 'at-offset-only';
  /** Whether manifests have an entity tag, and a PUT may depend on it (`If-Match`). */
  readonly entityTags?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Replaces the body when a manifest or blob is read. */
  readonly lie?: (path: string, content: Buffer) => Buffer;
  /** Behaviors of real registries that differ from the specification. */
  readonly quirks?: readonly Quirk[];
}

/** How a publish ends at a registry with a quirk, if it is different from other registries. */
export interface QuirkOutcome {
  /** How attachments are found: through the API, through the tag, or not at all; or that they are refused. */
  readonly attachment?: 'api' | 'tag' | 'unlisted' | 'refused';
  /**
   * The error that ends the publish, with a part of its message, and the reason if a client that only copies images
   * succeeds where we do not.
   */
  readonly error?: { readonly code: string; readonly says: RegExp; readonly why?: string };
}

/** The hooks of one active quirk. */
export interface QuirkHooks {
  /** Answers instead of the registry. */
  readonly before?: (seen: Seen, state: RegistryState) => Reply | undefined;
  /** Replaces the registry's answer. */
  readonly after?: (seen: Seen, reply: Reply, state: RegistryState) => Reply | undefined;
}

/** A behavior of real registries, or of proxies in front of them, that differs from the specification. */
export interface Quirk {
  /** A sentence whose subject, “the registry”, is left out. */
  readonly name: string;
  /** Where it was observed or is documented. */
  readonly source: string;
  readonly options?: Partial<FakeRegistryOptions>;
  readonly outcome?: QuirkOutcome;
  /** Shows only with blobs of more than 5 MiB. */
  readonly needsLargeBlobs?: true;
  /** Activates it with fresh state: it remembers only requests since this call. */
  start(): QuirkHooks;
}
