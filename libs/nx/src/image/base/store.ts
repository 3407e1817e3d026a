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

/** A blob that is on disk. */
export interface StoredBlob {
  readonly descriptor: Descriptor;
  /** The file that holds it; its content was held against the digest in this run. */
  readonly path: string;
}

/**
 * The blobs of a base: those on disk, each checked against its digest whenever it is used, and those of a registry. All
 * platforms share one store, so that a layer they have in common is fetched once.
 */
export interface BaseStore {
  /** Reads the documents of one image. */
  forImage(): ImageDocuments;
  /** Has the content of a layer on disk, and reads it. */
  readLayer<T>(
    descriptor: Descriptor,
    read: (content: AsyncIterable<Buffer>) => Promise<T>,
  ): Promise<StoredBlob & { readonly result: T }>;
}

/** The documents that lead to an image's layers. */
export interface ImageDocuments extends DocumentSource {
  /** Those read so far, in order. */
  readonly documents: readonly StoredBlob[];
}

/** Where a store looks, from first to last. */
export interface StorePlaces {
  /** Folders of blobs that are read and never written. */
  readonly folders: readonly string[];
  /** The folder of blobs that what was fetched is kept in. */
  readonly cache: string;
  readonly origin: ImageSource;
  readonly progress: (line: string) => void;
}

/** What the name of a file begins with that is not whole yet. */
const FETCHING = '.fetch-';
/** Nobody writes to it any more after so many milliseconds: a connection counts as stalled long before. */
const ABANDONED_MS = 60 * 60_000;
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/**
 * Opens the blobs of one base. What is damaged on disk is fetched again, what a killed process left half is removed; what
 * a registry gives is kept once it has the size and digest that its descriptor names. Throws what the registry's client
 * throws.
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
        progress(`${path}: is not the blob that its name says, and is fetched again`);
      }
      const path = await fetchLayer(descriptor);
      return { descriptor, path, result: await read(readChunks(path)) };
    },
  };
}

// What a killed process left there may be gigabytes, and nobody would ask for it by its name.
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

// A registry gives the type of a document in a header, which a file does not have; OCI's may leave it out.
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
