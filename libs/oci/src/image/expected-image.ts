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

/** A layer of a base image: the digest of its blob, and the digest of the tar inside. */
export interface BaseLayer {
  /** With an OCI media type, without annotations. */
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/**
 * What an image for one platform gets from its base. The contents of the layers are the base's own and are not read.
 */
export interface ExpectedBase {
  /** The base's name, with the digest from the lock or the Dockerfile. */
  readonly reference: string;
  readonly repository: ImageRepository;
  /** From the bottom up; the image's own layers come after them. */
  readonly layers: readonly BaseLayer[];
  /** The steps of the base's history, which come before the image's own. */
  readonly inherited: readonly InheritedStep[];
}

/** The planned image for one platform, as plain data: its whole configuration, and every path of every layer. */
export interface ExpectedImage {
  readonly platform: DescriptorPlatform;
  readonly author?: string | undefined;
  readonly config: ContainerConfig;
  /** Seconds since 1970. */
  readonly created: number;
  /** Absent for an image from scratch. */
  readonly base?: ExpectedBase | undefined;
  /** One entry per instruction; the wording differs between builders and is not compared. */
  readonly history: readonly HistoryEntry[];
  /** The image's own layers, on top of the base's; if their paths are unplanned, each one is empty. */
  readonly layers: readonly (readonly ReadEntry[])[];
  /** Present if making the image's own layers ran a command, so that not every path in them is planned. */
  readonly unplanned?: UnplannedLayers | undefined;
}

/** What is known about an image with layers that are not planned path by path. */
export interface UnplannedLayers {
  /**
   * The commands that were run and the unverified sources that were copied from: `Dockerfile:3: RUN`, … in line order.
   */
  readonly because: readonly string[];
  /** The files that must exist once all layers are applied. */
  readonly files: readonly ReadEntry[];
}

/** The documents of an image as read. Members that this project doesn't know are kept. */
export interface FoundDocuments {
  /** As the descriptor in the index gives it. */
  readonly platform: DescriptorPlatform | undefined;
  readonly manifest: ImageManifest;
  readonly config: ReadImageConfig;
}

/** An image as read: its documents, and the entries of each layer above the base's. */
export interface FoundImage extends FoundDocuments {
  readonly layers: readonly (readonly ReadEntry[])[];
}

/** A layer to read, and what it is checked against. */
export interface LayerReading {
  readonly layer: Descriptor;
  readonly options: ReadLayerOptions;
}

/**
 * How to read an image's own layers, those above its base: each is checked against its diffID and limited to what was
 * planned for it, or to `MAX_CHANGED_LAYER`. Throws `INVALID_LAYOUT` if the number of layers differs or if a layer's
 * compression is unknown; `compareDocuments` explains both better.
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
      throw new OciError('INVALID_LAYOUT', `image: layer ${below + index + 1} is not in the plan`);
    }
    if (expected.unplanned !== undefined)
      return { layer, options: { compression, diffId, contents: 'changes', limits: MAX_CHANGED_LAYER } };
    return { layer, options: { compression, diffId, limits: layerLimits(entries) } };
  });
}
