import {
  compressionOf,
  type Descriptor,
  type DescriptorPlatform,
  type ImageManifest,
} from '../descriptor.ts';
import type { Digest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { layerLimits, MAX_CHANGED_LAYER } from '../layer/layer-limits.ts';
import type { ReadEntry, ReadLayerOptions } from '../layer/layer-reader.ts';
import type { ContainerConfig, HistoryEntry, InheritedStep } from '../layout/image-config.ts';
import type { ReadImageConfig } from '../layout/image-schema.ts';
import type { ImageRepository } from '../reference.ts';

/** A layer of a base: its bytes by digest, and the digest of the tar inside. */
export interface BaseLayer {
  /** Of OCI's media types, without annotations. */
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** What an image of one platform has from its base. What is inside the layers is the base's, and not read. */
export interface ExpectedBase {
  /** The base's name, with the digest that the lock or the Dockerfile gives. */
  readonly reference: string;
  readonly repository: ImageRepository;
  /** From the lowest up; the image's own come after them. */
  readonly layers: readonly BaseLayer[];
  /** The steps of its history, which come before the image's own. */
  readonly inherited: readonly InheritedStep[];
}

/** What an image of one platform is to be, as plain data: its configuration whole, and every path of every layer. */
export interface ExpectedImage {
  readonly platform: DescriptorPlatform;
  readonly author?: string | undefined;
  readonly config: ContainerConfig;
  /** Seconds since 1970. */
  readonly created: number;
  /** Absent of an image from scratch. */
  readonly base?: ExpectedBase | undefined;
  /** One entry for each instruction; its wording differs between builders and is not compared. */
  readonly history: readonly HistoryEntry[];
  /** Its own, above those of the base; where their paths are unplanned, each is empty. */
  readonly layers: readonly (readonly ReadEntry[])[];
  /** Present where something was executed to make its own layers, so that not every path of them is planned. */
  readonly unplanned?: UnplannedLayers | undefined;
}

/** What is known about an image whose layers are not planned path by path. */
export interface UnplannedLayers {
  /** What was executed, or taken from where nothing is verified: `Dockerfile:3: RUN`, … in the order of lines. */
  readonly because: readonly string[];
  /** The files that have to be there once all layers are on top of each other. */
  readonly files: readonly ReadEntry[];
}

/** The documents of an image that was read, their members kept whether this project knows them or not. */
export interface FoundDocuments {
  /** As the index's descriptor names it. */
  readonly platform: DescriptorPlatform | undefined;
  readonly manifest: ImageManifest;
  readonly config: ReadImageConfig;
}

/** An image that was read: its documents, and the entries of each layer above those of its base. */
export interface FoundImage extends FoundDocuments {
  readonly layers: readonly (readonly ReadEntry[])[];
}

/** A layer that is to be read, and what it is held to. */
export interface LayerReading {
  readonly layer: Descriptor;
  readonly options: ReadLayerOptions;
}

/**
 * How an image's own layers, above those of its base, are read: each is held to its diffID, and to the limits of what was
 * planned for it, or to `MAX_CHANGED_LAYER`. Throws
 * `INVALID_LAYOUT` where there is another number of them, or one of an unknown compression; `compareDocuments` tells
 * that better.
 */
export function layerReadings(
  expected: ExpectedImage,
  { manifest, config }: Pick<FoundDocuments, 'manifest' | 'config'>,
): readonly LayerReading[] {
  const below = expected.base?.layers.length ?? 0;
  return manifest.layers.slice(below).map((layer, index) => {
    const entries = expected.layers[index];
    const compression = compressionOf(layer.mediaType);
    const diffId = config.rootfs.diff_ids[below + index] as Digest | undefined;
    if (entries === undefined || compression === undefined || diffId === undefined) {
      throw new OciError('INVALID_LAYOUT', `image: layer ${below + index + 1} is not one that was planned`);
    }
    if (expected.unplanned !== undefined)
      return { layer, options: { compression, diffId, contents: 'changes', limits: MAX_CHANGED_LAYER } };
    return { layer, options: { compression, diffId, limits: layerLimits(entries) } };
  });
}
