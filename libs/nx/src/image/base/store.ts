import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type Descriptor,
  digestHex,
  digestOf,
  isDigest,
  MEDIA_TYPES,
  OciError,
  parseBoundedJson,
} from '@prebuilt/oci';
import type { DocumentSource, ImageSource, RegistryManifest } from '@prebuilt/oci/registry';
import { readChunks } from '../../files/chunks.ts';
import { sha256OfFile } from '../../files/hash.ts';

/** A blob on disk. */
export interface StoredBlob {
  readonly descriptor: Descriptor;
  /** The blob's file. Its content has been checked against the digest in this run. */
  readonly path: string;
}

/**
 * The blobs of a base, on disk and in a registry. Those on disk are checked against their digests on every use. All
 * platforms use one store, so that a layer they share is fetched once.
 */
export interface BaseStore {
  /** Reads the documents of one image. */
  forImage(): ImageDocuments;
  /** Reads a layer, after fetching it to disk if necessary. */
  readLayer<T>(
    descriptor: Descriptor,
    read: (content: AsyncIterable<Buffer>) => Promise<T>,
  ): Promise<StoredBlob & { readonly result: T }>;
}

/** The documents that lead to an image's layers. */
export interface ImageDocuments extends DocumentSource {
  /** The documents returned so far, in order. */
  readonly documents: readonly StoredBlob[];
}

/** Where a store looks for blobs, in order. */
export interface StorePlaces {
  /** Blob folders to read, but never to write. */
  readonly folders: readonly string[];
  /** The folder for fetched blobs. */
  readonly cache: string;
  readonly origin: ImageSource;
  readonly progress: (line: string) => void;
}

/** The prefix of incomplete files. */
const FETCHING = '.fetch-';
/** The age in milliseconds at which an incomplete file is abandoned. A connection counts as stalled long before. */
const ABANDONED_MS = 60 * 60_000;
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/**
 * Opens the blobs of one base. Fetches damaged blobs again, and removes incomplete files left by killed processes.
 * Keeps a blob from the registry only if its size and digest match the descriptor. Throws the registry client's errors.
 */
export function openBaseStore({ folders, cache, origin, progress }: StorePlaces): BaseStore {
  const places = [...folders, cache];
  const fetching = new Map<string, Promise<string>>();
  let ready: Promise<void> | undefined;

  async function keep(name: string, write: (temporary: string) => Promise<void>): Promise<string> {
    ready ??= prepare(cache);
    await ready;
    const temporary = join(cache, `${FETCHING}${randomUUID()}`);
    try {
      await write(temporary);
      await rename(temporary, join(cache, name));
    } finally {
      await rm(temporary, { force: true });
    }
    return join(cache, name);
  }

  async function readDocument(
    digest: string,
    size: number | undefined,
    fetch: () => Promise<Buffer>,
  ): Promise<{ readonly bytes: Buffer; readonly path: string }> {
    const name = digestHex(digest as Descriptor['digest']);
    for (const place of places) {
      const path = join(place, name);
      const found = await sizeOf(path);
      if (found === undefined || found > MAX_DOCUMENT_BYTES || (size !== undefined && found !== size))
        continue;
      const bytes = await readFile(path);
      if (digestOf(bytes) === digest) return { bytes, path };
    }
    const bytes = await fetch();
    return { bytes, path: await keep(name, (path) => writeFile(path, bytes, { flag: 'wx' })) };
  }

  function forImage(): ImageDocuments {
    const documents: StoredBlob[] = [];
    async function noted(...wanted: Parameters<typeof readDocument>): Promise<Buffer> {
      const { bytes, path } = await readDocument(...wanted);
      const descriptor = { mediaType: mediaTypeOf(bytes), digest: digestOf(bytes), size: bytes.length };
      documents.push({ descriptor, path });
      return bytes;
    }
    return {
      documents,
      async getManifest(reference): Promise<RegistryManifest> {
        if (!isDigest(reference))
          throw new OciError(
            'INVALID_REFERENCE',
            `base: expected a digest, found ${JSON.stringify(reference)}`,
          );
        const bytes = await noted(
          reference,
          undefined,
          async () => (await origin.getManifest(reference)).bytes,
        );
        return { bytes, digest: reference, mediaType: mediaTypeOf(bytes), etag: undefined };
      },
      readBlob: (descriptor, limit) =>
        noted(descriptor.digest, descriptor.size, () => origin.readBlob(descriptor, limit)),
    };
  }

  function fetchLayer(descriptor: Descriptor): Promise<string> {
    const { digest, size } = descriptor;
    const running = fetching.get(digest);
    if (running !== undefined) return running;
    progress(`fetching ${digest.slice(0, 19)}… of the base, ${size} bytes`);
    const fetched = origin.attempt(`fetch layer ${digest}`, async () =>
      keep(digestHex(digest), async (path) =>
        pipeline(await origin.openBlob(descriptor), createWriteStream(path, { flags: 'wx' })),
      ),
    );
    fetching.set(digest, fetched);
    return fetched;
  }

  return {
    forImage,
    async readLayer(descriptor, read) {
      const name = digestHex(descriptor.digest);
      for (const place of places) {
        const path = join(place, name);
        if ((await sizeOf(path)) !== descriptor.size) continue;
        if ((await sha256OfFile(path)) === name)
          return { descriptor, path, result: await read(readChunks(path)) };
        progress(`${path}: does not match the digest in its name; fetching it again`);
      }
      const path = await fetchLayer(descriptor);
      return { descriptor, path, result: await read(readChunks(path)) };
    },
  };
}

// A killed process may have left gigabytes there, under names that nobody uses again.
async function prepare(cache: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  for (const name of await readdir(cache)) {
    if (!name.startsWith(FETCHING)) continue;
    const path = join(cache, name);
    const found = await lstat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  return found?.isFile() ? found.size : undefined;
}

// A registry reports a document's type in a header, which a file lacks, and OCI documents may omit it.
function mediaTypeOf(bytes: Buffer): string {
  try {
    const { mediaType, manifests, layers } = Object(parseBoundedJson(bytes.toString('utf8')));
    if (typeof mediaType === 'string') return mediaType;
    if (Array.isArray(manifests)) return MEDIA_TYPES.index;
    return Array.isArray(layers) ? MEDIA_TYPES.manifest : MEDIA_TYPES.config;
  } catch {
    return '';
  }
}
