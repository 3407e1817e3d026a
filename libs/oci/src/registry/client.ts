import { createHash } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { type Digest, digestFromHex, digestHex, digestOf, isDigest, parseDigest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { isTag } from '../reference.ts';
import { createAuthorizedSender } from './authorization.ts';
import type { CredentialSource } from './credentials.ts';
import { isTransientStatus, type RetryClock } from './retry.ts';
import {
  connectionFailure,
  discard,
  type OpenResponse,
  type RegistryRequest,
  readBounded,
  redactUrl,
  statusFailure,
  TransientFailure,
  type Transport,
} from './transport.ts';

/** A manifest or index as the registry gave it; `digest` is that of these very bytes. */
export interface RegistryManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** What uploading a blob took. Sizes are bytes. */
export interface UploadOutcome {
  readonly how: 'present' | 'mounted' | 'uploaded';
  /** Bytes that were sent, those of failed tries included. */
  readonly sent: number;
}

/** What an upload is begun with and told to. */
export interface UploadOptions {
  /** A repository of the same registry that may have the blob. */
  readonly mountFrom?: string;
  readonly onSent?: (bytes: number) => void;
  /** Told the URL of the open upload whenever it changes, undefined once none is open. */
  readonly onSession?: (url: string | undefined) => void;
}

/** The referrers of a manifest and which way the registry told of them. */
export interface Referrers {
  readonly descriptors: readonly (Descriptor & { readonly artifactType?: string })[];
  readonly source: 'api' | 'tag';
}

/**
 * One repository of a registry. Every operation is tried again for transient failures, within the transport's
 * limits; errors are `OciError`s with the operation, the URL without its query, the status and the registry's own
 * message. https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 */
export interface RepositoryClient {
  /** Opens an upload and cancels it. Throws where this user may not push. */
  checkPush(): Promise<void>;
  hasBlob(digest: Digest): Promise<boolean>;
  /**
   * Uploads a blob unless the registry has it or can mount it from `mountFrom`. `open` gives the content from an
   * offset on, and is asked again where an interrupted upload is resumed; each chunk has been sent once the next one is
   * asked for.
   */
  uploadBlob(
    descriptor: Descriptor,
    open: (offset: number) => AsyncIterable<Uint8Array>,
    options?: UploadOptions,
  ): Promise<UploadOutcome>;
  /**
   * Cancels an upload that a former process left open, as far as the registry lets it: one that broke off amid its
   * bytes may be known by no URL that was told. An upload that the registry no longer knows is no error.
   */
  cancelUpload(url: string): Promise<void>;
  /** The blob's content in one try; the stream fails where size or digest are not the descriptor's. */
  openBlob(descriptor: Descriptor): Promise<Readable>;
  /** Runs work that reads blobs, again for transient failures. */
  attempt<T>(operation: string, work: () => Promise<T>): Promise<T>;
  /** The digest that a tag or digest names; undefined where there is none. */
  headManifest(reference: string): Promise<Digest | undefined>;
  /** Throws `REGISTRY_NOT_FOUND`, and `DIGEST_MISMATCH` where the bytes are not those of the digest asked for. */
  getManifest(reference: string): Promise<RegistryManifest>;
  putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /**
   * Makes a tag name a manifest. The bytes are put by digest with the tag as a parameter, so that a registry that
   * knows it refuses bytes that changed on the way and leaves the tag; one that does not gets them by the tag's name.
   * Throws `DIGEST_MISMATCH` where the registry says that it took other bytes: the tag may then name those.
   * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
   */
  setTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /** All tags; none where the repository does not exist yet. */
  listTags(): Promise<readonly string[]>;
  listReferrers(digest: Digest): Promise<Referrers>;
}

const MOST_MANIFEST_BYTES = 4 * 1024 * 1024;
const MOST_PAGE_BYTES = 4 * 1024 * 1024;
const MOST_PAGES = 1000;
const MOST_TAGS = 100_000;
const MANIFEST_TYPES = [
  MEDIA_TYPES.index,
  MEDIA_TYPES.manifest,
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Where the referrers of a manifest are listed on a registry without the referrers API: `sha256-<digits>`. */
export function referrersTag(digest: Digest): string {
  return `sha256-${digestHex(digest)}`;
}

/** A client of one repository; all of a registry's repositories should share one transport. */
export function createRepositoryClient(options: {
  readonly registry: string;
  readonly repository: string;
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  readonly clock: RetryClock;
}): RepositoryClient {
  const { registry, repository, transport, clock } = options;
  const sender = createAuthorizedSender(registry, transport, options.credentials, clock);
  const base = new URL(`${repository}/`, transport.baseUrl(registry));
  const push = `repository:${repository}:pull,push`;
  const pull = push;
  const at = (path: string): URL => new URL(path, base);
  const label = (what: string): string => `${registry}/${repository}: ${what}`;
  // Learnt with the first tag: the registry makes no tags of a manifest that is put by digest.
  let tagsByNameOnly = false;

  async function expectStatus(
    operation: string,
    response: OpenResponse,
    ...statuses: readonly number[]
  ): Promise<OpenResponse> {
    if (statuses.includes(response.status)) return response;
    throw await statusFailure(operation, response, clock.now());
  }

  /** One request, tried again while it fails transiently; `read` is part of the try. */
  function ask<T>(
    operation: string,
    scope: string,
    wanted: RegistryRequest,
    statuses: readonly number[],
    read: (response: OpenResponse) => Promise<T>,
  ): Promise<T> {
    return transport.attempt(operation, async () =>
      read(await expectStatus(operation, await sender.send(operation, scope, wanted), ...statuses)),
    );
  }

  const nothing = async (response: OpenResponse): Promise<OpenResponse> => {
    await discard(response);
    return response;
  };

  function uploadLocation(operation: string, response: OpenResponse): URL {
    const location = response.headers.location;
    if (location === undefined) {
      throw new OciError(
        'REGISTRY_RESPONSE',
        `${operation}: ${redactUrl(response.url)}: expected a Location header, found none`,
      );
    }
    const url = new URL(location, response.url);
    transport.checkUrl(url, operation);
    return url;
  }

  // The registry removes abandoned uploads itself in time; this only makes it sooner, so it fails silently.
  async function cancelUpload(operation: string, url: URL): Promise<void> {
    const cancel = async (at: URL): Promise<boolean> => {
      const response = await nothing(await sender.send(operation, push, { method: 'DELETE', url: at }));
      return response.status < 400;
    };
    try {
      if (await cancel(url)) return;
      // An upload that got bytes since may be cancelled only by the URL that it has now.
      const current = await uploadProgress(operation, url);
      if (current !== undefined && current.url.href !== url.href) await cancel(current.url);
    } catch {}
  }

  async function checkPush(): Promise<void> {
    const operation = label('check the right to push');
    const url = await ask(
      operation,
      push,
      { method: 'POST', url: at('blobs/uploads/'), headers: { 'content-length': '0' } },
      [202],
      async (response) => uploadLocation(operation, await nothing(response)),
    );
    await cancelUpload(operation, url);
  }

  async function hasBlob(digest: Digest): Promise<boolean> {
    const response = await ask(
      label(`blob ${digest}`),
      pull,
      { method: 'HEAD', url: at(`blobs/${digest}`) },
      [200, 404],
      nothing,
    );
    return response.status === 200;
  }

  async function uploadBlob(
    descriptor: Descriptor,
    open: (offset: number) => AsyncIterable<Uint8Array>,
    { mountFrom, onSent, onSession }: UploadOptions = {},
  ): Promise<UploadOutcome> {
    if (await hasBlob(descriptor.digest)) return { how: 'present', sent: 0 };
    const operation = label(`upload ${descriptor.digest}`);
    let session: URL | undefined;
    let sent = 0;
    const keep = (url: URL): URL => {
      session = url;
      onSession?.(url.href);
      return url;
    };
    const count = (bytes: number): void => {
      sent += bytes;
      onSent?.(bytes);
    };
    try {
      const how = await transport.attempt(operation, async () => {
        const resumed = session === undefined ? undefined : await uploadProgress(operation, session);
        if (session !== undefined && resumed === undefined) await cancelUpload(operation, session);
        const begun = resumed ?? (await beginUpload(operation, descriptor, mountFrom));
        if (begun === 'mounted') return 'mounted' as const;
        let url = keep(begun.url);
        if (begun.offset < descriptor.size)
          url = keep(await patch(operation, begun, descriptor, open, count));
        await finishUpload(operation, url, descriptor);
        onSession?.(undefined);
        return 'uploaded' as const;
      });
      return { how, sent };
    } catch (error) {
      if (session !== undefined) await cancelUpload(operation, session);
      onSession?.(undefined);
      throw error;
    }
  }

  async function beginUpload(
    operation: string,
    descriptor: Descriptor,
    mountFrom: string | undefined,
  ): Promise<{ readonly url: URL; readonly offset: number } | 'mounted'> {
    const url = at('blobs/uploads/');
    if (mountFrom !== undefined) {
      url.searchParams.set('mount', descriptor.digest);
      url.searchParams.set('from', mountFrom);
    }
    const wanted: RegistryRequest = { method: 'POST', url, headers: { 'content-length': '0' } };
    const response = await expectStatus(operation, await sender.send(operation, push, wanted), 201, 202);
    await discard(response);
    return response.status === 201 ? 'mounted' : { url: uploadLocation(operation, response), offset: 0 };
  }

  // https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
  async function uploadProgress(
    operation: string,
    url: URL,
  ): Promise<{ readonly url: URL; readonly offset: number } | undefined> {
    const response = await sender.send(operation, push, { method: 'GET', url });
    if (isTransientStatus(response.status)) throw await statusFailure(operation, response, clock.now());
    await discard(response);
    const last = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.range ?? '')?.[1];
    if (response.status !== 204 || last === undefined) return undefined;
    // "0-0" is what registries answer both for one byte and for none.
    return {
      url: response.headers.location === undefined ? url : uploadLocation(operation, response),
      offset: last === '0' ? 0 : Number(last) + 1,
    };
  }

  async function patch(
    operation: string,
    from: { readonly url: URL; readonly offset: number },
    descriptor: Descriptor,
    open: (offset: number) => AsyncIterable<Uint8Array>,
    count: (bytes: number) => void,
  ): Promise<URL> {
    const length = descriptor.size - from.offset;
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      'content-length': String(length),
      ...(from.offset === 0 ? {} : { 'content-range': `${from.offset}-${descriptor.size - 1}` }),
    };
    const wanted: RegistryRequest = {
      method: 'PATCH',
      url: from.url,
      headers,
      body: () => counted(open(from.offset), count),
    };
    const response = await sender.send(operation, push, wanted);
    if (response.status === 416 || response.status === 404) {
      throw new TransientFailure(
        `${operation}: the registry lost track of the upload (status ${response.status})`,
      );
    }
    await expectStatus(operation, response, 202, 201, 204);
    await discard(response);
    return uploadLocation(operation, response);
  }

  async function finishUpload(operation: string, session: URL, descriptor: Descriptor): Promise<void> {
    const url = new URL(session);
    url.searchParams.set('digest', descriptor.digest);
    const response = await sender.send(operation, push, {
      method: 'PUT',
      url,
      headers: { 'content-length': '0' },
    });
    if (response.status === 404 && (await hasBlob(descriptor.digest))) return;
    await expectStatus(operation, response, 201, 204);
    await discard(response);
  }

  async function openBlob(descriptor: Descriptor): Promise<Readable> {
    const operation = label(`blob ${descriptor.digest}`);
    const wanted: RegistryRequest = { method: 'GET', url: at(`blobs/${descriptor.digest}`) };
    const response = await expectStatus(operation, await sender.send(operation, pull, wanted), 200);
    return verified(operation, response, descriptor);
  }

  async function headManifest(reference: string): Promise<Digest | undefined> {
    const operation = label(`manifest ${checkReference(reference)}`);
    const wanted: RegistryRequest = {
      method: 'HEAD',
      url: at(`manifests/${reference}`),
      headers: { accept: MANIFEST_TYPES },
    };
    const response = await ask(operation, pull, wanted, [200, 404], nothing);
    if (response.status === 404) return undefined;
    const told = response.headers['docker-content-digest'];
    return told !== undefined && isDigest(told) ? told : (await getManifest(reference)).digest;
  }

  async function getManifest(reference: string): Promise<RegistryManifest> {
    const operation = label(`manifest ${checkReference(reference)}`);
    const wanted: RegistryRequest = {
      method: 'GET',
      url: at(`manifests/${reference}`),
      headers: { accept: MANIFEST_TYPES },
    };
    return ask(operation, pull, wanted, [200], async (response) => {
      const bytes = await readBounded(operation, response, MOST_MANIFEST_BYTES);
      const digest = digestOf(bytes);
      if (isDigest(reference) && digest !== reference) {
        throw new OciError(
          'DIGEST_MISMATCH',
          `${operation}: expected content of that digest, found ${digest}`,
        );
      }
      return {
        bytes,
        digest,
        mediaType: (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? '',
      };
    });
  }

  async function sendManifest(
    operation: string,
    url: URL,
    { bytes, mediaType }: { readonly bytes: Uint8Array; readonly mediaType: string },
    ...otherStatuses: readonly number[]
  ): Promise<OpenResponse> {
    const wanted: RegistryRequest = {
      method: 'PUT',
      url,
      headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
      body: () => bytes,
    };
    const response = await ask(operation, push, wanted, [201, 202, ...otherStatuses], nothing);
    const told = response.headers['docker-content-digest'];
    const digest = digestOf(bytes);
    if (told !== undefined && told !== digest) {
      throw new OciError(
        'DIGEST_MISMATCH',
        `${operation}: expected the registry to keep ${digest}, it says ${told.slice(0, 100)}`,
      );
    }
    return response;
  }

  async function putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    const operation = label(`put manifest ${checkReference(reference)}`);
    await sendManifest(operation, at(`manifests/${reference}`), { bytes, mediaType });
  }

  async function setTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    if (!isTag(tag)) throw new OciError('INVALID_REFERENCE', `set tag: expected a tag, found ${quote(tag)}`);
    if (!tagsByNameOnly) {
      const url = at(`manifests/${digestOf(bytes)}`);
      url.searchParams.set('tag', tag);
      // 405 and 414 can only be about the URL. Any other refusal may be of the bytes: those are not sent by name.
      const response = await sendManifest(label(`set tag ${tag}`), url, { bytes, mediaType }, 405, 414);
      const made = (response.headers['oci-tag'] ?? '').split(',').map((each) => each.trim());
      if (made.includes(tag)) return;
      tagsByNameOnly = true;
    }
    await putManifest(tag, bytes, mediaType);
  }

  async function listTags(): Promise<readonly string[]> {
    const operation = label('list tags');
    const tags: string[] = [];
    let url: URL | undefined = at('tags/list?n=1000');
    for (let page = 0; url !== undefined; page += 1) {
      if (page === MOST_PAGES || tags.length > MOST_TAGS) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation}: expected at most ${MOST_TAGS} tags on ${MOST_PAGES} pages, found more`,
        );
      }
      const next: URL | undefined = await ask(
        operation,
        pull,
        { method: 'GET', url },
        [200, 404],
        async (response) => {
          if (response.status === 404) return nothing(response).then(() => undefined);
          tags.push(...readTags(operation, await readBounded(operation, response, MOST_PAGE_BYTES)));
          return nextPage(operation, response);
        },
      );
      url = next;
    }
    return tags;
  }

  function nextPage(operation: string, response: OpenResponse): URL | undefined {
    const link = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(response.headers.link ?? '')?.[1];
    if (link === undefined) return undefined;
    const url = new URL(link, response.url);
    if (url.origin !== base.origin) {
      throw new OciError(
        'REGISTRY_RESPONSE',
        `${operation}: expected the next page from ${base.origin}, found ${redactUrl(url)}`,
      );
    }
    return url;
  }

  async function listReferrers(digest: Digest): Promise<Referrers> {
    const operation = label(`referrers of ${digest}`);
    const wanted: RegistryRequest = {
      method: 'GET',
      url: at(`referrers/${digest}`),
      headers: { accept: MEDIA_TYPES.index },
    };
    const found = await ask(operation, pull, wanted, [200, 404], async (response) => {
      const isIndex =
        response.status === 200 && (response.headers['content-type'] ?? '').startsWith(MEDIA_TYPES.index);
      return isIndex
        ? readBounded(operation, response, MOST_MANIFEST_BYTES)
        : nothing(response).then(() => undefined);
    });
    if (found !== undefined) return { descriptors: readDescriptors(operation, found), source: 'api' };
    const tag = referrersTag(digest);
    if ((await headManifest(tag)) === undefined) return { descriptors: [], source: 'tag' };
    return { descriptors: readDescriptors(operation, (await getManifest(tag)).bytes), source: 'tag' };
  }

  return {
    checkPush,
    hasBlob,
    uploadBlob,
    cancelUpload: async (url) => {
      const parsed = new URL(url);
      if (parsed.origin === base.origin) await cancelUpload(label('cancel an upload'), parsed);
    },
    openBlob,
    attempt: (operation, work) => transport.attempt(label(operation), work),
    headManifest,
    getManifest,
    putManifest,
    setTag,
    listTags,
    listReferrers,
  };
}

function checkReference(reference: string): string {
  if (isTag(reference) || isDigest(reference)) return reference;
  throw new OciError('INVALID_REFERENCE', `manifest: expected a tag or a digest, found ${quote(reference)}`);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    count(chunk.length);
    yield chunk;
  }
}

function verified(operation: string, response: OpenResponse, descriptor: Descriptor): Readable {
  const hash = createHash('sha256');
  let size = 0;
  const tooLong = (): OciError =>
    new OciError('SIZE_MISMATCH', `${operation}: expected ${descriptor.size} bytes, found more`);
  const check = new Transform({
    transform(chunk: Buffer, _, done) {
      size += chunk.length;
      if (size > descriptor.size) return done(tooLong());
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      if (size < descriptor.size) {
        return done(
          new TransientFailure(`${operation}: the body ended after ${size} of ${descriptor.size} bytes`),
        );
      }
      const digest = digestFromHex(hash.digest('hex'));
      done(
        digest === descriptor.digest
          ? null
          : new OciError('DIGEST_MISMATCH', `${operation}: expected content of that digest, found ${digest}`),
      );
    },
  });
  response.body.on('error', (error) =>
    check.destroy(connectionFailure(operation, response.url, error) as Error),
  );
  check.on('close', () => response.body.destroy());
  return response.body.pipe(check);
}

function readTags(operation: string, body: Buffer): readonly string[] {
  const parsed = parseJson(operation, body) as { readonly tags?: unknown } | null;
  const tags = parsed?.tags ?? [];
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) {
    throw new OciError('REGISTRY_RESPONSE', `${operation}: expected a list of tags, found another value`);
  }
  return tags;
}

function readDescriptors(operation: string, body: Buffer): Referrers['descriptors'] {
  const parsed = parseJson(operation, body) as { readonly manifests?: unknown } | null;
  if (!Array.isArray(parsed?.manifests)) {
    throw new OciError('REGISTRY_RESPONSE', `${operation}: expected an image index, found another value`);
  }
  return parsed.manifests.map((entry: Descriptor & { readonly artifactType?: string }) => ({
    ...entry,
    digest: parseDigest(String(entry.digest)),
  }));
}

function parseJson(operation: string, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new OciError('REGISTRY_RESPONSE', `${operation}: expected JSON, found another text`, { cause });
  }
}
