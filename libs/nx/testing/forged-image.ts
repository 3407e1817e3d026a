import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BLOBS_FOLDER,
  type Descriptor,
  type Digest,
  digestHex,
  digestOf,
  type LayoutImage,
  layerMediaType,
  MEDIA_TYPES,
  platformName,
  readDocument,
  readImageLayout,
  writeBlob,
  writeIndexFile,
} from '@prebuilt/oci';
import type { ForgedLayer } from '@prebuilt/testing/layers';

/** A layer of an image to forge. */
export interface StoredLayer {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly diffId: Digest;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * Changes to an image: first to its layers, then to the text of its documents, which by then contain the new digests of
 * what they refer to.
 */
export interface ImageForgery {
  readonly layers?: (layers: readonly StoredLayer[]) => readonly StoredLayer[];
  readonly config?: (text: string) => string;
  readonly manifest?: (text: string) => string;
  readonly index?: (text: string) => string;
}

/** A forged layer, for use in an image. */
export function storedLayer({ blob, tar, compression }: ForgedLayer): StoredLayer {
  return { bytes: blob, mediaType: layerMediaType(compression), diffId: digestOf(tar) };
}

/** Changes a document through its parsed data. */
export function edited(change: (data: Document) => void): (text: string) => string {
  return (text) => {
    const data: Document = JSON.parse(text);
    change(data);
    return JSON.stringify(data);
  };
}

/** An image's document, for forging. */
// biome-ignore lint/suspicious/noExplicitAny: forgeries violate the type
export type Document = any;

/**
 * Forges a layout's images, for one platform or all, with matching digests and sizes, so that checking only those finds
 * nothing.
 */
export async function forgeImages(
  folder: string,
  forgery: ImageForgery,
  platform?: string,
): Promise<Descriptor> {
  const { images, root } = await readImageLayout(folder);
  const blobs = join(folder, BLOBS_FOLDER);
  const manifests: object[] = [];
  for (const image of images) {
    const chosen = platform === undefined || platform === platformName(image.platform);
    manifests.push(chosen ? await forgeImage(folder, image, forgery) : image.descriptor);
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests };
  const written = await put(blobs, JSON.stringify(index), forgery.index, root.mediaType);
  // Keep the plan's annotations in index.json.
  await writeIndexFile(folder, written, root.annotations ?? {});
  return written;
}

async function forgeImage(folder: string, image: LayoutImage, forgery: ImageForgery): Promise<object> {
  const blobs = join(folder, BLOBS_FOLDER);
  const honest: StoredLayer[] = [];
  for (const [index, layer] of image.manifest.layers.entries()) {
    const bytes = await readFile(join(blobs, digestHex(layer.digest)));
    const diffId = image.config.rootfs.diff_ids[index] as Digest;
    honest.push({ bytes, mediaType: layer.mediaType, diffId, annotations: layer.annotations });
  }
  const stored = forgery.layers?.(honest) ?? honest;
  const layers: Descriptor[] = [];
  for (const { bytes, mediaType, annotations } of stored) {
    layers.push({
      ...(await writeBlob(blobs, bytes, mediaType)),
      ...(annotations !== undefined && { annotations }),
    });
  }
  const text = (await readDocument(folder, image.manifest.config)).toString('utf8');
  const withLayers = edited((config) => {
    config.rootfs.diff_ids = stored.map(({ diffId }) => diffId);
  })(text);
  const config = await put(blobs, withLayers, forgery.config, MEDIA_TYPES.config);
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers };
  const written = await put(blobs, JSON.stringify(manifest), forgery.manifest, MEDIA_TYPES.manifest);
  return { ...written, platform: image.platform };
}

function put(
  blobs: string,
  text: string,
  edit: ((text: string) => string) | undefined,
  mediaType: string,
): Promise<Descriptor> {
  return writeBlob(blobs, edit?.(text) ?? text, mediaType);
}
