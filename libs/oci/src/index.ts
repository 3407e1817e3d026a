export {
  type Compression,
  compressionOf,
  type Descriptor,
  type DescriptorPlatform,
  type ImageIndex,
  type ImageManifest,
  layerMediaType,
  MEDIA_TYPES,
} from './descriptor.ts';
export { type Digest, digestFromHex, digestHex, digestOf, isDigest, parseDigest } from './digest.ts';
export { OciError, type OciErrorCode } from './errors.ts';
export { compareBytes } from './go-json.ts';
export {
  type ContainerConfig,
  formatImageConfig,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  rfc3339,
} from './image-config.ts';
export {
  BLOBS_FOLDER,
  createImageLayout,
  REF_NAME,
  writeBlob,
  writeImageIndex,
  writeImageManifest,
  writeIndexFile,
} from './image-layout.ts';
export {
  type ImageLayout,
  type LayoutImage,
  platformName,
  readBlob,
  readDocument,
  readImageLayout,
} from './image-layout-reader.ts';
export {
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  type ReadImageConfig,
} from './image-schema.ts';
export type { LayerContent, LayerReading } from './layer-content.ts';
export { type ReadEntry, type ReadLayerOptions, readLayer } from './layer-reader.ts';
export { type LayerThreads, startLayerThreads } from './layer-threads.ts';
export {
  type LayerEntry,
  type LayerOptions,
  tarSize,
  type WrittenLayer,
  writeLayer,
} from './layer-writer.ts';
export {
  formatImageReference,
  type ImageReference,
  type ImageRepository,
  isLoopback,
  parseImageReference,
  parseImageRepository,
} from './reference.ts';
export type { EntryMetadata, EntryType } from './tar-header.ts';
