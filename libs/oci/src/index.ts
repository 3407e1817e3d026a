export {
  type ArchiveEntry,
  type ArchiveEntryType,
  type ArchiveLimits,
  MAX_ARCHIVE,
} from './archive/archive-entry.ts';
export { type ArchiveReading, type ReadArchiveOptions, readArchive } from './archive/archive-reader.ts';
export { type BaseConfig, parseBaseConfig } from './base/base-config.ts';
export { type ChangesOptions, type LayerChange, readLayerChanges } from './base/layer-changes.ts';
export { readTarFile } from './base/tar-file.ts';
export {
  type Compression,
  compressionOf,
  type Descriptor,
  type DescriptorPlatform,
  type ImageIndex,
  type ImageManifest,
  layerMediaType,
  MEDIA_TYPES,
  ociLayerMediaType,
} from './descriptor.ts';
export { type Digest, digestFromHex, digestHex, digestOf, isDigest, parseDigest } from './digest.ts';
export { OciError, type OciErrorCode } from './errors.ts';
export { type Difference, formatDifference } from './image/difference.ts';
export {
  type BaseLayer,
  type ExpectedBase,
  type ExpectedImage,
  type FoundDocuments,
  type FoundImage,
  type LayerReading,
  layerReadings,
  type UnplannedLayers,
} from './image/expected-image.ts';
export { compareDocuments, compareImage, compareIndex } from './image/image-comparison.ts';
export { compareLayer } from './image/layer-comparison.ts';
export {
  type LayerLimits,
  layerLimits,
  limitsAfter,
  MAX_CHANGED_LAYER,
  MAX_LAYER,
} from './layer/layer-limits.ts';
export { type ReadEntry, type ReadLayerOptions, readLayer } from './layer/layer-reader.ts';
export {
  compressLayer,
  type LayerEntry,
  type LayerOptions,
  tarBlocks,
  type WrittenLayer,
  writeLayer,
} from './layer/layer-writer.ts';
export { type LayerThreads, startLayerThreads } from './layer/reader-threads.ts';
export { type EntryMetadata, type EntryType, tarSize } from './layer/tar-header.ts';
export { parseBoundedJson } from './layout/bounded-json.ts';
export { compareBytes, goJson, sortedMap } from './layout/go-json.ts';
export {
  type ContainerConfig,
  formatImageConfig,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  type InheritedStep,
  inheritedSteps,
  rfc3339,
} from './layout/image-config.ts';
export {
  createImageLayout,
  REF_NAME,
  writeBlob,
  writeImageIndex,
  writeImageManifest,
  writeIndexFile,
} from './layout/image-layout.ts';
export {
  type ImageLayout,
  type LayoutImage,
  platformName,
  readDocument,
  readImageLayout,
} from './layout/image-layout-reader.ts';
export {
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  type ReadImageConfig,
} from './layout/image-schema.ts';
export { BLOBS_FOLDER, readBlob } from './layout/layout-blob.ts';
export { cleanText } from './outside-text.ts';
export {
  formatImageReference,
  type ImageReference,
  type ImageRepository,
  isLoopback,
  isTag,
  parseImageReference,
  parseImageRepository,
} from './reference.ts';
