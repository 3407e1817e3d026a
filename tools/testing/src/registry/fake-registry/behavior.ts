import type { Reply, Seen } from './exchange.ts';
import type { RegistryState } from './state.ts';

/** How a fake registry behaves. */
export interface FakeRegistryOptions {
  /** Who may push and pull; anyone where it is left out. Tokens are asked for with Basic credentials. */
  readonly auth?: {
    readonly scheme: 'basic' | 'bearer';
    readonly username: string;
    readonly password: string;
  };
  /** Whether tokens allow pushing. */
  readonly mayPush?: boolean;
  /** Seconds until a token expires. */
  readonly tokenSeconds?: number;
  /** Whether it answers the referrers API, as registries of specification 1.1 do. */
  readonly referrers?: boolean;
  /** Whether it makes the tags that a manifest put by digest comes with as parameters; else it ignores them. */
  readonly tagsByDigest?: boolean;
  /**
   * What the URL of an upload is good for. `lasting`: everything, however many bytes have come since it was given.
   * `at-offset`: then only for asking how far the upload is, which gives its present URL, as in version 3 of
   * distribution. `at-offset-only`: then for nothing, as in version 2.
   */
  readonly uploadUrls?: 'lasting' | 'at-offset' | 'at-offset-only';
  /** Whether manifests come with an entity tag, and a PUT may be bound to it (`If-Match`). */
  readonly entityTags?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Replaces the body of a manifest or blob that is read. */
  readonly lie?: (path: string, content: Buffer) => Buffer;
  /** Ways of a real registry that differ from the specification. */
  readonly quirks?: readonly Quirk[];
}

/** What a publish comes to at a registry with a quirk, where it is not what it comes to at any other. */
export interface QuirkOutcome {
  /** How something attached is found: by the API, by the tag, not at all; or it is refused. */
  readonly attachment?: 'api' | 'tag' | 'unlisted' | 'refused';
  /**
   * The error that ends the publish, with a part of its message; and, where a client that only copies gets through, why we
   * do not.
   */
  readonly error?: { readonly code: string; readonly says: RegExp; readonly why?: string };
}

/** How one behavior answers while it lasts. */
export interface QuirkHooks {
  /** An answer in place of the registry's. */
  readonly before?: (seen: Seen, state: RegistryState) => Reply | undefined;
  /** Another answer than the registry's. */
  readonly after?: (seen: Seen, reply: Reply, state: RegistryState) => Reply | undefined;
}

/** A way of real registries, or of what comes before them, that differs from the specification. */
export interface Quirk {
  /** A sentence without its subject, the registry. */
  readonly name: string;
  /** Where it was seen or is documented. */
  readonly source: string;
  readonly options?: Partial<FakeRegistryOptions>;
  readonly outcome?: QuirkOutcome;
  /** Starts afresh: what it remembers of requests is of this start. */
  start(): QuirkHooks;
}
