import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Descriptor, type ImageIndex, type ImageManifest, MEDIA_TYPES } from '../descriptor.ts';
import { digestHex, digestOf } from '../digest.ts';
import { goJson, sortedMap } from './go-json.ts';
import { BLOBS_FOLDER } from './layout-blob.ts';

/** The annotation that names an image in a layout. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * Creates the folders of an image layout and returns its blobs folder; the layout is complete once `writeIndexFile` has
 * run.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export async function createImageLayout(folder: string): Promise<string> {
  const blobs = join(folder, BLOBS_FOLDER);
  await mkdir(blobs, { recursive: true });
  return blobs;
}

/** Atomically writes a blob from memory and returns its descriptor. */
export async function writeBlob(
  blobs: string,
  content: string | Uint8Array,
  mediaType: string,
): Promise<Descriptor> {
  const bytes = Buffer.from(content);
  const digest = digestOf(bytes);
  await writeWhole(blobs, digestHex(digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

/** Writes an image manifest and returns its descriptor. */
export function writeImageManifest(
  blobs: string,
  config: Descriptor,
  layers: readonly Descriptor[],
): Promise<Descriptor> {
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: plain(config),
    layers: layers.map(plain),
  };
  return writeBlob(blobs, goJson(manifest), MEDIA_TYPES.manifest);
}

/** Writes an image index for these manifests, each with its platform, and returns its descriptor. */
export function writeImageIndex(
  blobs: string,
  manifests: readonly Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): Promise<Descriptor> {
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.index,
    manifests: manifests.map(plain),
    ...(Object.keys(annotations).length > 0 && { annotations: sortedMap(annotations) }),
  };
  return writeBlob(blobs, goJson(index), MEDIA_TYPES.index);
}

/** Completes a layout by writing `oci-layout` and an `index.json` that points to one image index. */
export async function writeIndexFile(
  folder: string,
  index: Descriptor,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  await writeWhole(folder, 'oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  const entry = { ...plain(index), annotations: sortedMap(annotations) };
  await writeWhole(
    folder,
    'index.json',
    goJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [entry] }),
  );
}

// Puts members in the order of the specification's structures, so that the bytes don't depend on how an object was
// built.
function plain({ mediaType, digest, size, annotations, platform }: Descriptor): Descriptor {
  return {
    mediaType,
    digest,
    size,
    ...(annotations && { annotations: sortedMap(annotations) }),
    ...(platform && {
      platform: {
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant !== undefined && { variant: platform.variant }),
      },
    }),
  };
}

async function writeWhole(folder: string, name: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(folder, `.${name}-${randomUUID()}`);
  try {
    await writeFile(temporary, content, { flag: 'wx' });
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
