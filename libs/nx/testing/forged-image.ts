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

/** A layer of an image while it is forged. */
export interface StoredLayer {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly diffId: Digest;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * What a forger changes of an image: its layers, and then the text of its documents, each of which has the digests of
 * what it names by then.
 */
export interface ImageForgery {
  readonly layers?: (layers: readonly StoredLayer[]) => readonly StoredLayer[];
  readonly config?: (text: string) => string;
  readonly manifest?: (text: string) => string;
  readonly index?: (text: string) => string;
}

/** A forged layer as part of an image. */
export function storedLayer({ blob, tar, compression }: ForgedLayer): StoredLayer {
  return { bytes: blob, mediaType: layerMediaType(compression), diffId: digestOf(tar) };
}

/** Changes a document by way of its data. */
export function edited(change: (data: Document) => void): (text: string) => string {
  return (text) => {
    const data: Document = JSON.parse(text);
    change(data);
    return JSON.stringify(data);
  };
}

/** A document of an image as a forger sees it. */
// biome-ignore lint/suspicious/noExplicitAny: a forger writes what no type allows
export type Document = any;

/**
 * Forges the images of a layout, of one platform or all, so that all digests and sizes fit: whoever checks only those
 * finds nothing.
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
  // A forger leaves what index.json says about the plan.
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
