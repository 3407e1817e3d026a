import {
  compressionOf,
  type Descriptor,
  type DescriptorPlatform,
  type ImageManifest,
} from '../descriptor.ts';
import type { Digest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { layerLimits } from '../layer/layer-limits.ts';
import type { ReadEntry, ReadLayerOptions } from '../layer/layer-reader.ts';
import type { ContainerConfig, HistoryEntry } from '../layout/image-config.ts';
import type { ReadImageConfig } from '../layout/image-schema.ts';

/** What an image of one platform is to be, as plain data: its configuration whole, and every path of every layer. */
export interface ExpectedImage {
  readonly platform: DescriptorPlatform;
  readonly author?: string | undefined;
  readonly config: ContainerConfig;
  /** Seconds since 1970. */
  readonly created: number;
  /** One entry for each instruction; its wording differs between builders and is not compared. */
  readonly history: readonly HistoryEntry[];
  readonly layers: readonly (readonly ReadEntry[])[];
}

/** The documents of an image that was read, their members kept whether this project knows them or not. */
export interface FoundDocuments {
  /** As the index's descriptor names it. */
  readonly platform: DescriptorPlatform | undefined;
  readonly manifest: ImageManifest;
  readonly config: ReadImageConfig;
}

/** An image that was read: its documents, and the entries of each layer. */
export interface FoundImage extends FoundDocuments {
  readonly layers: readonly (readonly ReadEntry[])[];
}

/** A layer that is to be read, and what it is held to. */
export interface LayerReading {
  readonly layer: Descriptor;
  readonly options: ReadLayerOptions;
}

/**
 * How the layers of an image are read: each is held to its diffID, and to the limits of what was planned for it. Throws
 * `INVALID_LAYOUT` where there is another number of them, or one of an unknown compression; `compareDocuments` tells
 * that better.
 */
export function layerReadings(
  expected: ExpectedImage,
  { manifest, config }: Pick<FoundDocuments, 'manifest' | 'config'>,
): readonly LayerReading[] {
  return manifest.layers.map((layer, index) => {
    const entries = expected.layers[index];
    const compression = compressionOf(layer.mediaType);
    const diffId = config.rootfs.diff_ids[index] as Digest | undefined;
    if (entries === undefined || compression === undefined || diffId === undefined) {
      throw new OciError('INVALID_LAYOUT', `image: layer ${index + 1} is not one that was planned`);
    }
    return { layer, options: { compression, diffId, limits: layerLimits(entries) } };
  });
}
