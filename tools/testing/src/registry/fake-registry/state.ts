import { createHash } from 'node:crypto';

/** A manifest as it was put. */
export interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** What came of an upload so far. */
export interface UploadedBytes {
  length: number;
  readonly chunks: Buffer[];
}

/** What a fake registry holds. */
export interface RegistryState {
  /** `127.0.0.1:<port>`. */
  host: string;
  readonly blobs: Map<string, Buffer>;
  /** Which repository has which blob: `repository digest`. */
  readonly links: Set<string>;
  /** Manifests by `repository@digest`. */
  readonly manifests: Map<string, StoredManifest>;
  /** Digests by `repository:tag`. */
  readonly tags: Map<string, string>;
  /** Every time that a request made or moved a tag. */
  readonly tagMoves: (readonly [key: string, digest: string])[];
  readonly uploads: Map<string, UploadedBytes>;
  /** The tokens it gave: until when they hold, and for what (`repository:name:action`). */
  readonly tokens: Map<string, { readonly until: number; readonly scopes: ReadonlySet<string> }>;
}

/** A registry that holds nothing. */
export function emptyState(): RegistryState {
  return {
    host: '',
    blobs: new Map(),
    links: new Set(),
    manifests: new Map(),
    tags: new Map(),
    tagMoves: [],
    uploads: new Map(),
    tokens: new Map(),
  };
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
