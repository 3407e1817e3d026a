import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { type Digest, digestHex, isDigest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { parseBoundedJson } from '../layout/bounded-json.ts';
import type { RepositoryAccess } from './access.ts';
import type { Manifests, RegistryManifest } from './manifests.ts';
import { nextPage } from './pages.ts';
import {
  type Address,
  addressText,
  discard,
  mediaTypeOf,
  type OpenResponse,
  type Operation,
  readBounded,
  TransientFailure,
} from './transport/index.ts';

/** The descriptor of something that refers to a manifest. */
export type Referrer = Descriptor & { readonly artifactType?: string | undefined };

/** The referrers of a manifest, and how the registry listed them. */
export interface Referrers {
  readonly descriptors: readonly Referrer[];
  readonly source: 'api' | 'tag';
}

/** The content of the tag that replaces the referrers API. */
export interface ReferrersTag {
  readonly descriptors: readonly Referrer[];
  /** The index that was read; undefined if there is no such tag. */
  readonly manifest: RegistryManifest | undefined;
  /** Whether the registry confuses the tag with the digest it is derived from, so that it can't contain a list. */
  readonly isSubject: boolean;
}

/** Reads the referrers of the manifests in a repository. */
export interface ReferrersReader {
  /**
   * Lists the referrers through the API or, without it, through the tag that replaces it. Any typical response of a
   * registry without the API (404, 400, 401, 405, 406, an HTML page, a redirect to another site) counts as not having
   * it.
   */
  listReferrers(digest: Digest): Promise<Referrers>;
  readReferrersTag(digest: Digest): Promise<ReferrersTag>;
}

const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_REFERRERS = 10_000;
const MAX_PAGES = 100;

/**
 * The tag that lists a manifest's referrers on a registry without the referrers API: `sha256-<digits>`.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema
 */
export function referrersTag(digest: Digest): string {
  return `sha256-${digestHex(digest)}`;
}

/** The referrers of the manifests in a repository. */
export function openReferrers(access: RepositoryAccess, manifests: Manifests): ReferrersReader {
  const { transport, at, label } = access;

  async function listReferrers(digest: Digest): Promise<Referrers> {
    const name = label(`referrers of ${digest}`);
    const found = await transport.attempt(name, (operation) =>
      readPages(operation, at(`referrers/${digest}`)),
    );
    if (found !== undefined) return { descriptors: found, source: 'api' };
    return { descriptors: (await readReferrersTag(digest)).descriptors, source: 'tag' };
  }

  async function readPages(operation: Operation, list: Address): Promise<readonly Referrer[] | undefined> {
    const found = new Map<Digest, Referrer>();
    const asked = new Set<string>();
    for (let next: Address | undefined = list; next !== undefined; ) {
      if (asked.size === MAX_PAGES || found.size > MAX_REFERRERS || asked.has(addressText(next))) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation.name}: expected at most ${MAX_REFERRERS} on ${MAX_PAGES} distinct pages, found more`,
        );
      }
      asked.add(addressText(next));
      const wanted = { method: 'GET', address: next, headers: { accept: MEDIA_TYPES.index } } as const;
      const response = await access.send(operation, { ...wanted, redirects: 'own' });
      const page = await readPage(operation, response, asked.size === 1);
      if (page === undefined) return undefined;
      for (const each of page) found.set(each.digest, each);
      next = nextPage(operation.name, response.headers.link, list.url);
    }
    return [...found.values()];
  }

  /** Undefined if the registry does not have this API. */
  async function readPage(
    operation: Operation,
    response: OpenResponse,
    isFirst: boolean,
  ): Promise<readonly Referrer[] | undefined> {
    if (response.status === 200) {
      const type = mediaTypeOf(response);
      const body = await readBounded(operation, response, MAX_PAGE_BYTES);
      if (type === MEDIA_TYPES.index || (isFirst && isIndex(body)))
        return readReferrers(operation.name, body);
      if (isFirst) return undefined;
      throw new OciError(
        'REGISTRY_RESPONSE',
        `${operation.name}: expected an image index, found ${type || 'no type'}`,
      );
    }
    if (response.status >= 300 && response.status < 400 && isFirst) {
      await discard(response);
      return undefined;
    }
    const failure = await access.failure(operation, response);
    // 501 means that there is no such API.
    if (failure instanceof TransientFailure || !isFirst || (response.status > 500 && response.status !== 501))
      throw failure;
    return undefined;
  }

  async function readReferrersTag(digest: Digest): Promise<ReferrersTag> {
    const tag = referrersTag(digest);
    let manifest: RegistryManifest | undefined;
    try {
      manifest = await manifests.getManifest(tag);
    } catch (error) {
      if (!(error instanceof OciError) || error.code !== 'REGISTRY_NOT_FOUND') throw error;
    }
    if (manifest === undefined) return { descriptors: [], manifest, isSubject: false };
    // https://github.com/oras-project/oras-go/issues/1396
    if (manifest.digest === digest) return { descriptors: [], manifest, isSubject: true };
    return { descriptors: readReferrers(label(`tag ${tag}`), manifest.bytes), manifest, isSubject: false };
  }

  return { listReferrers, readReferrersTag };
}

function isIndex(body: Buffer): boolean {
  try {
    const { mediaType } = parseBoundedJson(body.toString('utf8')) as { readonly mediaType?: unknown };
    return mediaType === MEDIA_TYPES.index;
  } catch {
    return false;
  }
}

/** The descriptors in an index of referrers. Throws `REGISTRY_RESPONSE` for anything else. */
export function readReferrers(operation: string, body: Buffer): readonly Referrer[] {
  let parsed: unknown;
  try {
    parsed = parseBoundedJson(body.toString('utf8'));
  } catch (cause) {
    throw new OciError('REGISTRY_RESPONSE', `${operation}: expected JSON, found something else`, { cause });
  }
  const wrong = (found: string): OciError =>
    new OciError('REGISTRY_RESPONSE', `${operation}: expected an index of referrers, found ${found}`);
  if (typeof parsed !== 'object' || parsed === null || !('manifests' in parsed)) throw wrong('another value');
  // Go writes an empty list as null.
  const entries = parsed.manifests ?? [];
  if (!Array.isArray(entries)) throw wrong('no list of manifests');
  return entries.map((entry: unknown) => {
    const { mediaType, digest, size } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    const whole = typeof mediaType === 'string' && typeof digest === 'string' && isDigest(digest);
    if (!whole || !Number.isSafeInteger(size)) throw wrong('an entry without a type, SHA-256 digest or size');
    return entry as Referrer;
  });
}
