import type { Quirk } from '../quirks/quirk.ts';

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
