import type { Digest } from './digest.ts';

/**
 * The media types that this project reads and writes.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md
 */
export const MEDIA_TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

/** How the bytes of a layer are compressed. */
export type Compression = 'none' | 'gzip' | 'zstd';

const LAYER_MEDIA_TYPES: Readonly<Record<Compression, string>> = {
  none: MEDIA_TYPES.layer,
  gzip: MEDIA_TYPES.layerGzip,
  zstd: MEDIA_TYPES.layerZstd,
};

/** The media type of a layer with this compression. */
export function layerMediaType(compression: Compression): string {
  return LAYER_MEDIA_TYPES[compression];
}

/** The compression of a layer with this media type; undefined for any other media type. */
export function compressionOf(mediaType: string): Compression | undefined {
  if (mediaType === MEDIA_TYPES.layer) return 'none';
  if (mediaType === MEDIA_TYPES.layerGzip) return 'gzip';
  return mediaType === MEDIA_TYPES.layerZstd ? 'zstd' : undefined;
}

const DOCKER_LAYER_TYPES: ReadonlyMap<string, string> = new Map([
  ['application/vnd.docker.image.rootfs.diff.tar', MEDIA_TYPES.layer],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', MEDIA_TYPES.layerGzip],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', MEDIA_TYPES.layerZstd],
]);

/**
 * The OCI media type for a layer, given its OCI or Docker media type; undefined for anything that is not a layer.
 * https://distribution.github.io/distribution/spec/manifest-v2-2/#media-types
 */
export function ociLayerMediaType(mediaType: string): string | undefined {
  return compressionOf(mediaType) === undefined ? DOCKER_LAYER_TYPES.get(mediaType) : mediaType;
}

/** The platform of an image, as a descriptor in an index gives it. */
export interface DescriptorPlatform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | undefined;
}

/**
 * Identifies content by type, digest and size in bytes.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: DescriptorPlatform | undefined;
}

/**
 * The configuration and layers that make up an image.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * Images for several platforms under one digest.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}
