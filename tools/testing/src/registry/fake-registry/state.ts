import { createHash } from 'node:crypto';

/** A manifest as it was pushed. */
export interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** The bytes of an upload so far. */
export interface UploadedBytes {
  length: number;
  readonly chunks: Buffer[];
}

/** The state of a fake registry. */
export interface RegistryState {
  /** `127.0.0.1:<port>`. */
  host: string;
  readonly blobs: Map<string, Buffer>;
  /** Which repositories have which blobs, as `repository digest`. */
  readonly links: Set<string>;
  /** Manifests by `repository@digest`. */
  readonly manifests: Map<string, StoredManifest>;
  /** Digests by `repository:tag`. */
  readonly tags: Map<string, string>;
  /** Every creation or move of a tag by a request. */
  readonly tagMoves: (readonly [key: string, digest: string])[];
  readonly uploads: Map<string, UploadedBytes>;
  /** The tokens that it issued, with their expiry and scopes (`repository:name:action`). */
  readonly tokens: Map<string, { readonly until: number; readonly scopes: ReadonlySet<string> }>;
}

/** The state of an empty registry. */
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
